"""tinygrad_mp: tensors that record what is done to them, and gradients by walking that record backward.

>>> import tinygrad_mp as tg
>>> x = tg.tensor([1.0, 2.0, 3.0], requires_grad=True)
>>> y = (x**2).sum()
>>> y.backward()
>>> x.grad
tensor([2., 4., 6.])

Public names only. To understand the engine, read ``autograd/__init__.py`` first, then ``calls.py`` and
``ops/elementwise.py``.
"""

import warnings as _warnings
from importlib import import_module
from math import e, inf, nan, pi
from types import FunctionType as _FunctionType
from typing import TYPE_CHECKING, Any

from numpy import dtype

from tinygrad_mp import autograd
from tinygrad_mp import later as _later
from tinygrad_mp.absent import missing as _missing
from tinygrad_mp.autograd import grad
from tinygrad_mp.backend import Device as device
from tinygrad_mp.backend import get_num_threads, set_num_threads
from tinygrad_mp.creation import tensor
from tinygrad_mp.dtypes import (
    bool_ as bool,
)
from tinygrad_mp.dtypes import (
    complex64,
    complex128,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    result_type,
    set_default_dtype,
    uint8,
)
from tinygrad_mp.errors import (
    AbsentError,
    AbsentImportError,
    DataError,
    DataFormatError,
    DeviceError,
    DTypeError,
    IndexRangeError,
    MissingColumnError,
    MissingDataError,
    MissingPackageError,
    NonFiniteError,
    SettingError,
    ShapeError,
    TapeError,
    TinygradError,
    UnsupportedError,
)
from tinygrad_mp.grad_mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from tinygrad_mp.keywords import flexible as _flexible
from tinygrad_mp.keywords import makes as _makes
from tinygrad_mp.primitive import primitive
from tinygrad_mp.registry import REGISTRY
from tinygrad_mp.sizes import Size
from tinygrad_mp.tensor import Tensor

if TYPE_CHECKING:  # fetched when they are first asked for: later.py says from where
    from tinygrad_mp import cuda, data, nn, optim, special, testing, utils
    from tinygrad_mp.creation import (
        arange,
        as_tensor,
        empty,
        empty_like,
        eye,
        from_dlpack,
        from_numpy,
        full,
        full_like,
        linspace,
        ones,
        ones_like,
        zeros,
        zeros_like,
    )
    from tinygrad_mp.formatting import get_printoptions, printoptions, set_printoptions
    from tinygrad_mp.ops import (
        abs,
        add,
        all,
        allclose,
        any,
        bitwise_and,
        bitwise_not,
        bitwise_or,
        bitwise_xor,
        bmm,
        broadcast_to,
        cat,
        chunk,
        clamp,
        clone,
        contiguous,
        diagonal,
        dot,
        eq,
        equal,
        exp,
        expand,
        flatten,
        floor_divide,
        ge,
        gt,
        isclose,
        isfinite,
        isinf,
        isnan,
        le,
        log,
        logical_and,
        logical_not,
        logical_or,
        logical_xor,
        logsumexp,
        lt,
        matmul,
        maximum,
        mean,
        minimum,
        mm,
        movedim,
        mul,
        mv,
        narrow,
        ne,
        neg,
        outer,
        permute,
        pow,
        prod,
        reciprocal,
        remainder,
        reshape,
        rsqrt,
        sign,
        split,
        sqrt,
        square,
        squeeze,
        stack,
        std,
        sub,
        sum,
        swapaxes,
        tanh,
        transpose,
        unbind,
        unsqueeze,
        var,
    )
    from tinygrad_mp.ops import (
        divide as div,
    )
    from tinygrad_mp.ops.activation import (
        relu,
        sigmoid,
    )
    from tinygrad_mp.ops.contraction import (
        einsum,
    )
    from tinygrad_mp.ops.copying import (
        flip,
        repeat,
        repeat_interleave,
        roll,
        tile,
        tril,
        triu,
    )
    from tinygrad_mp.ops.cumulative import (
        cumsum,
    )
    from tinygrad_mp.ops.elementary import (
        ceil,
        cos,
        erf,
        expm1,
        floor,
        log1p,
        round,
        sin,
        tan,
        trunc,
    )
    from tinygrad_mp.ops.extremes import (
        amax,
        amin,
        argmax,
        argmin,
        max,
        min,
    )
    from tinygrad_mp.ops.gathering import (
        gather,
        index_select,
        masked_fill,
        scatter_add,
        take_along_dim,
    )
    from tinygrad_mp.ops.norms import (
        norm,
    )
    from tinygrad_mp.ops.softmax import (
        log_softmax,
        softmax,
    )
    from tinygrad_mp.random import (
        Generator,
        bernoulli,
        default_generator,
        get_rng_state,
        initial_seed,
        manual_seed,
        multinomial,
        normal,
        rand,
        rand_like,
        randint,
        randint_like,
        randn,
        randn_like,
        randperm,
        seed,
        set_rng_state,
    )

__version__ = "0.1.0"

# NumPy warns where entries overflow or have no value. PyTorch does not, and what users compute with NumPy still does.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tinygrad_mp\.(?!numpy_calls)")

_OPS, _MAKERS = "tinygrad_mp.ops.", {f"tinygrad_mp.{name}" for name in ("creation", "grids", "random")}

newaxis = None
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64


def _as_function(value: Any) -> Any:
    """What this package offers of an operation: it can be called in all of PyTorch's ways."""
    module = value.__module__ if isinstance(value, _FunctionType) else ""
    return _flexible(value) if module.startswith(_OPS) else _makes(value) if module in _MAKERS else value


tensor = _as_function(tensor)
_MODULES = _later.MODULES.split()
_LATER = {name: (module, there) for name, module, there in _later.entries(_later.FUNCTIONS)}


def __getattr__(name: str) -> Any:
    """Import these when they are first asked for, so that importing the package stays fast."""
    if name in _MODULES:
        return import_module(f"tinygrad_mp.{name}")
    if name in _LATER:
        value = globals()[name] = _as_function(_later.fetch(*_LATER[name]))
        return value
    if name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):  # exp_(x) is x.exp_()
        value = globals()[name] = getattr(Tensor, name)
        return value
    raise _missing("", name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_MODULES})


__all__ = [
    "REGISTRY",
    "AbsentError",
    "AbsentImportError",
    "DTypeError",
    "DataError",
    "DataFormatError",
    "DeviceError",
    "Generator",
    "IndexRangeError",
    "MissingColumnError",
    "MissingDataError",
    "MissingPackageError",
    "NonFiniteError",
    "SettingError",
    "ShapeError",
    "Size",
    "TapeError",
    "Tensor",
    "TinygradError",
    "UnsupportedError",
    "abs",
    "add",
    "all",
    "allclose",
    "amax",
    "amin",
    "any",
    "arange",
    "argmax",
    "argmin",
    "as_tensor",
    "autograd",
    "bernoulli",
    "bitwise_and",
    "bitwise_not",
    "bitwise_or",
    "bitwise_xor",
    "bmm",
    "bool",
    "broadcast_to",
    "cat",
    "ceil",
    "chunk",
    "clamp",
    "clone",
    "complex64",
    "complex128",
    "contiguous",
    "cos",
    "cuda",
    "cumsum",
    "data",
    "default_generator",
    "device",
    "diagonal",
    "div",
    "dot",
    "double",
    "dtype",
    "e",
    "einsum",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "exp",
    "expand",
    "expm1",
    "eye",
    "flatten",
    "flip",
    "float",
    "float16",
    "float32",
    "float64",
    "floor",
    "floor_divide",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "get_default_dtype",
    "get_num_threads",
    "get_printoptions",
    "get_rng_state",
    "grad",
    "gt",
    "half",
    "index_select",
    "inf",
    "initial_seed",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "is_grad_enabled",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "le",
    "linspace",
    "log",
    "log1p",
    "log_softmax",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logsumexp",
    "long",
    "lt",
    "manual_seed",
    "masked_fill",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mm",
    "movedim",
    "mul",
    "multinomial",
    "mv",
    "nan",
    "narrow",
    "ne",
    "neg",
    "newaxis",
    "nn",
    "no_grad",
    "norm",
    "normal",
    "ones",
    "ones_like",
    "optim",
    "outer",
    "permute",
    "pi",
    "pow",
    "primitive",
    "printoptions",
    "prod",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "reciprocal",
    "relu",
    "remainder",
    "repeat",
    "repeat_interleave",
    "reshape",
    "result_type",
    "roll",
    "round",
    "rsqrt",
    "scatter_add",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_num_threads",
    "set_printoptions",
    "set_rng_state",
    "short",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "special",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "swapaxes",
    "take_along_dim",
    "tan",
    "tanh",
    "tensor",
    "testing",
    "tile",
    "transpose",
    "tril",
    "triu",
    "trunc",
    "uint8",
    "unbind",
    "unsqueeze",
    "utils",
    "var",
    "zeros",
    "zeros_like",
]
