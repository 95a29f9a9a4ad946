"""``types``: names for annotations."""

from __future__ import annotations

import builtins
from typing import Any, TypeAlias

from tinygrad_mp.backend import Device as _Device
from tinygrad_mp.tensor import Tensor

__all__ = ["Device", "Number", "Storage"]

Number: TypeAlias = builtins.int | builtins.float | builtins.bool
Device: TypeAlias = _Device | str | builtins.int | None
Storage: TypeAlias = Any
_TensorOrTensors: TypeAlias = Tensor | tuple[Tensor, ...] | list[Tensor]
_dtype: TypeAlias = Any
_device: TypeAlias = _Device
_size: TypeAlias = tuple[builtins.int, ...] | list[builtins.int]
_int: TypeAlias = builtins.int
_float: TypeAlias = builtins.float
_bool: TypeAlias = builtins.bool
