"""The functions of :mod:`tinygrad_mp.functional`, where PyTorch has them."""

from tinygrad_mp.absent import lookup
from tinygrad_mp.functional import *  # noqa: F403
from tinygrad_mp.functional import __all__ as __all__

__getattr__ = lookup("nn.functional")
