"""Checks of gradients, for this package and its users: ``gradcheck``, ``gradgradcheck``, ``check_primitive``."""

from tinygrad_mp.testing.checks import check_primitive
from tinygrad_mp.testing.gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = ["GradcheckError", "check_primitive", "gradcheck", "gradgradcheck"]
