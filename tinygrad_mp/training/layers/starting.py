"""How the weights of a layer start: the names to ask by, the formulas behind them, and a record of what was done."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple, TypeAlias

from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn import init

Setting: TypeAlias = str | Callable[..., Any]
"""A name of :data:`NAMES`, or ``f(tensor, generator=...)``, which fills the tensor, as those of ``nn.init``."""

_FAMILIES = {"he": "He", "glorot": "Glorot", "lecun": "LeCun"}
NAMES = (
    "auto",
    *(f"{family}_{shape}" for family in _FAMILIES for shape in ("normal", "uniform")),
    "orthogonal",
    "zeros",
)


class Initialization(NamedTuple):
    """How the weight of a layer started, and why.

    ``std`` is that of a normal, ``bound`` that of a uniform distribution; both are None where there is neither.
    ``bias`` says how the bias started, or why there is none.

    >>> print(Initialization("He normal", "before ReLU", std=0.05))
    He normal (std 0.05): before ReLU
    """

    name: str
    reason: str
    std: float | None = None
    bound: float | None = None
    bias: str = ""

    def __str__(self) -> str:
        size = f" (std {self.std:.4g})" if self.std is not None else ""
        size = f" (bound {self.bound:.4g})" if self.bound is not None else size
        return f"{self.name}{size}: {self.reason}" + (f"; {self.bias}" if self.bias else "")


class Choice(NamedTuple):
    """What ``"auto"`` means for one layer: ``"he"``, ``"glorot"`` or ``"lecun"``, He's gain, and the reason."""

    family: str
    reason: str
    gain: float = math.sqrt(2)


ALONE = Choice("glorot", "built on its own, with no model to look ahead in")


def check_setting(layer: str, setting: Any) -> Setting:
    """``setting``, if it is a known name or a function; otherwise SettingError with the nearest name."""
    if callable(setting) or setting in NAMES:
        return setting  # type: ignore[no-any-return]
    near = difflib.get_close_matches(str(setting).lower().replace(" ", "_"), NAMES, 1, 0.4)
    hint = f"did you mean {near[0]!r}? Known are" if near else "use a function such as those of nn.init, or one of"
    raise SettingError(f"{layer}: unknown initialization {setting!r}", fix=f"{hint} {', '.join(NAMES)}")


def standard_deviation(family: str, fan_in: int, fan_out: int, gain: float = math.sqrt(2)) -> float:
    """The standard deviation of the weights of a unit with these numbers of inputs and outputs.

    He: ``gain / sqrt(fan_in)``, with ``gain = sqrt(2 / (1 + slope**2))`` for a rectifier (He et al., Delving deep into
    rectifiers, 2015, eq. 15). Glorot: ``sqrt(2 / (fan_in + fan_out))`` (Glorot and Bengio, Understanding the
    difficulty of training deep feedforward neural networks, 2010, eq. 12). LeCun: ``1 / sqrt(fan_in)`` (LeCun et al.,
    Efficient BackProp, 1998, eq. 16).

    >>> standard_deviation("he", 50, 10), standard_deviation("glorot", 50, 22), standard_deviation("lecun", 25, 10)
    (0.2, 0.16666666666666666, 0.2)
    """
    if family == "glorot":
        return math.sqrt(2 / max(fan_in + fan_out, 1))
    return (gain if family == "he" else 1.0) / math.sqrt(max(fan_in, 1))


def fans(shape: tuple[int, ...], groups: int = 1) -> tuple[int, int]:
    """How many numbers go into, and come from, each unit of a weight (out, in / groups, \\*window).

    >>> fans((8, 3, 5, 5)), fans((8, 1, 3), groups=8)
    ((75, 200), (3, 3))
    """
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] // groups * window


def start_weight(weight: Any, setting: Setting, choice: Choice, groups: int, generator: Any) -> Initialization:
    """Fill a weight as ``setting`` says, where ``"auto"`` is what ``choice`` says, and record it."""
    if callable(setting):
        _fill(setting, weight, generator)
        return Initialization(getattr(setting, "__name__", type(setting).__name__), "asked for")
    if setting == "zeros":
        init.zeros_(weight)
        return Initialization("zeros", "asked for")
    if setting == "orthogonal":
        init.orthogonal_(weight, generator=generator)
        return Initialization("orthogonal", "asked for")
    family, kind = (choice.family, "normal") if setting == "auto" else setting.split("_")
    gain, reason = (choice.gain, choice.reason) if setting == "auto" else (math.sqrt(2), "asked for")
    std = standard_deviation(family, *fans(tuple(weight.shape), groups), gain)
    name = f"{_FAMILIES[family]} {kind}"
    if kind == "normal":
        init.normal_(weight, 0.0, std, generator)
        return Initialization(name, reason, std=std)
    bound = math.sqrt(3) * std
    init.uniform_(weight, -bound, bound, generator)
    return Initialization(name, reason, bound=bound)


def check_bias_setting(layer: str, setting: Any) -> Any:
    """``setting``, if a bias can start so: ``"zeros"``, a number, or ``f(tensor, generator=...)``."""
    if callable(setting) or setting == "zeros" or (isinstance(setting, (int, float)) and math.isfinite(setting)):
        return setting
    fix = 'use "zeros", a number, or a function such as those of nn.init'
    raise SettingError(f"{layer}: unknown bias_initialization {setting!r}", fix=fix)


def start_bias(bias: Any, setting: Any, generator: Any) -> None:
    """Fill a bias as ``setting`` says."""
    if callable(setting):
        _fill(setting, bias, generator)
    else:
        init.constant_(bias, 0 if setting == "zeros" else setting)


def _fill(function: Any, tensor: Any, generator: Any) -> None:
    """Let a user's function fill a tensor, from the generator if it takes one."""
    options = {"generator": generator} if "generator" in signature(function).parameters else {}
    function(tensor, **options)
