"""Checks for this package and its users: of gradients, ``gradcheck`` and kin, and of values, ``assert_close``."""

from tinygrad_mp.testing.checks import check_primitive
from tinygrad_mp.testing.closeness import assert_close
from tinygrad_mp.testing.gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "assert_close", "check_primitive", "gradcheck", "gradgradcheck"]
