"""``Inferring``: a layer that learns at first sight how wide its input is, and keeps to it."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

from tinygrad_mp.errors import SettingError, ShapeError
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter, is_lazy
from tinygrad_mp.training.layers.starting import (
    ALONE,
    Choice,
    Initialization,
    Setting,
    start_bias,
    start_weight,
)


class Inferring(Module):
    """Base of the layers whose parameters are made at first sight of data, by :meth:`build`, or by loading a state.

    Until then ``built`` is False and the parameters are ``nn.UninitializedParameter``, as in PyTorch's lazy layers:
    the very objects that an optimizer may hold get their shape and values later.

    ``initialization_`` says afterwards how the weight started and why.
    """

    built: bool
    use_bias: bool | None  # what was asked for: None is automatic
    bias: Any
    started: tuple[Any, ...] | None  # initialization_ as a plain value, which files keep; and the next two likewise
    choice: tuple[Any, ...]
    no_bias: str
    anchor: ClassVar[str] = "weight"
    """The parameter or buffer whose shape says all that was to be found out."""

    def _wait_for(self, parameters: Iterable[str], buffers: Iterable[str] = ()) -> None:
        """Register what will get its shape later."""
        for name in parameters:
            self.register_parameter(name, UninitializedParameter())
        for name in buffers:
            self.register_buffer(name, UninitializedBuffer())
        self.built, self.started = False, None
        self.choice, self.no_bias = tuple(ALONE), "asked for"

    @property
    def initialization_(self) -> Initialization | None:
        """How the weight started and why; None before."""
        return None if self.started is None else Initialization(*self.started)

    # --- to be said by each layer ---

    def _anchor_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the anchor for such an input; ShapeError if there is none."""
        raise NotImplementedError

    def _shape_of(self, name: str, anchor: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a parameter or buffer; for the anchor itself the shape it must have, given the one it has."""
        raise NotImplementedError

    def _settle(self, anchor: tuple[int, ...]) -> None:
        """Set the attributes that the layer of nn has."""

    def _draw(self, generator: Any) -> Initialization:
        """Give all parameters and buffers their first values."""
        raise NotImplementedError

    def _begin(self, name: str) -> None:
        """Give one parameter or buffer, other than the anchor, its first values."""
        raise NotImplementedError

    def drop_bias(self, reason: str) -> None:
        """Do without the bias from now on."""
        self.bias = None
        self.no_bias = reason

    # --- building ---

    def build(self, input_shape: Any) -> Self:
        """Make the parameters for inputs of this shape, batch axis included. Does nothing if they are there.

        >>> from tinygrad_mp.training.layers import Dense
        >>> Dense(3).build((None, 5)).weight.shape
        Size([3, 5])
        """
        if not self.built:
            self._make(self._anchor_shape(tuple(input_shape)))
            self.start(ALONE)
        return self

    def start(self, choice: Choice, generator: Any = None) -> None:
        """Draw the first values again; ``choice`` is what ``initialization="auto"`` means here."""
        self.choice = tuple(choice)
        self.started = tuple(self._draw(generator))

    def reset_parameters(self) -> None:
        """Draw the first values again, if there is anything to put them in."""
        if self.built:
            self.start(Choice(*self.choice))

    def _make(self, anchor: tuple[int, ...]) -> None:
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if is_lazy(value):
                value.materialize(self._shape_of(name, anchor))
        self._settle(anchor)
        self.built = True

    def state_before(self) -> tuple[dict[str, Any], list[Any]]:
        """What :meth:`go_back` needs to make this layer what it is now."""
        attributes = {name: dict(value) if type(value) is dict else value for name, value in self.__dict__.items()}
        return attributes, [one for one in (*self._parameters.values(), *self._buffers.values()) if is_lazy(one)]

    def go_back(self, state: tuple[dict[str, Any], list[Any]]) -> None:
        """Undo building: parameters and buffers, the same objects, have no shape again."""
        attributes, waiting = state
        for value in waiting:
            wanted, device, dtype = value.requires_grad, value.device, value.dtype
            value.__class__ = UninitializedParameter if isinstance(value, Parameter) else UninitializedBuffer
            value._start(wanted, device, dtype)
        self.__dict__.clear()
        self.__dict__.update(attributes)

    # --- loading ---

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """As of all modules; a layer that is not built yet takes its sizes from the state, if they fit its settings."""
        given = state_dict.get(prefix + self.anchor)
        waiting = not self.built and given is not None and not is_lazy(given) and hasattr(given, "shape")
        known = len(error_msgs)
        if waiting:
            error_msgs += self._misfits(state_dict, prefix, tuple(given.shape))  # type: ignore[union-attr]
        settings = (strict, missing_keys, unexpected_keys, error_msgs)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *settings)
        if waiting and len(error_msgs) == known:
            without_bias = prefix + "bias" in missing_keys and getattr(self, "use_bias", True) is None
            if without_bias:  # saved by a layer that did without it
                missing_keys.remove(prefix + "bias")
            shape = tuple(given.shape)  # type: ignore[union-attr]
            local_metadata["plan"].changes.append(lambda keep: self._loaded(shape, without_bias))

    def _misfits(self, state: dict[str, Any], prefix: str, anchor: tuple[int, ...]) -> list[str]:
        found = []
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            given = state.get(prefix + name)
            if is_lazy(value) and hasattr(given, "shape") and not is_lazy(given):
                wanted, shape = self._shape_of(name, anchor), tuple(given.shape)  # type: ignore[union-attr]
                if shape != wanted:
                    found.append(f"{prefix}{name}: shape {wanted} in the module, {shape} in the state")
        return found

    def _loaded(self, anchor: tuple[int, ...], without_bias: bool) -> Callable[[], None]:
        """What follows once values were copied: names that the state did not have start as ever."""
        if without_bias:
            self.drop_bias("the saved state has none")
        missing = [name for name, value in (*self._parameters.items(), *self._buffers.items()) if is_lazy(value)]
        self._make(anchor)
        for name in missing:
            self._begin(name)
        self.started = tuple(Initialization("loaded", "its values came from a saved state"))
        return lambda: None

    # --- showing ---

    def _explained(self, error: ShapeError, input: Any, axis: int, wanted: int) -> ShapeError:
        """``error``, with the advice for a layer that chose its width itself, if it is the width that is wrong."""
        if input.ndim > 1 and input.shape[axis] != wanted:
            what = "features" if axis == -1 else "channels"
            error.fix = (
                f"this {type(self).__name__} was built for {wanted} {what} and got {input.shape[axis]}: "
                f"give it {wanted}, or make a new layer for the new width"
            )
        return error

    def extra_repr(self) -> str:
        """Once built as nn's layer; before, what was asked for."""
        if self.built:
            return super().extra_repr()
        shown = []
        for name, one in inspect.signature(type(self)).parameters.items():
            value = self.use_bias if name == "bias" else getattr(self, name, one.default)
            if one.default is one.empty or value != one.default:
                shown.append(f"{name}={value!r}")
        return ", ".join(shown)


class Weighted(Inferring):
    """A layer with a weight that may be drawn in many ways, and perhaps a bias: dense and convolution."""

    weight: Any
    groups: int = 1
    initialization: Setting
    bias_initialization: Any

    def _draw(self, generator: Any) -> Initialization:
        done = start_weight(self.weight, self.initialization, Choice(*self.choice), self.groups, generator)
        if self.bias is not None:
            start_bias(self.bias, self.bias_initialization, generator)
            return done
        return done._replace(bias=f"no bias: {self.no_bias}")

    def _begin(self, name: str) -> None:
        start_bias(self.bias, self.bias_initialization, None)


def a_size(layer: str, name: str, value: Any, least: int = 1) -> int:
    """``value`` as an int of at least ``least``."""
    try:
        size = operator.index(value)
    except TypeError:
        raise TypeError(f"{layer}: {name} must be an int, not {value!r}") from None
    if size < least or isinstance(value, bool):
        raise SettingError(f"{layer}: {name} must be an int of at least {least}, not {value!r}")
    return size


def sizes(layer: str, name: str, value: Any, least: int = 1) -> Any:
    """``value`` if it is an int, as a tuple if it is one to three ints, for as many spatial axes."""
    if not isinstance(value, (tuple, list)):
        return a_size(layer, name, value, least)
    if not 1 <= len(value) <= 3:
        raise SettingError(f"{layer}: {name} is an int, or one for each of one to three axes, not {value!r}")
    return tuple(a_size(layer, name, one, least) for one in value)


def a_choice_of_bias(layer: str, bias: Any) -> bool | None:
    """True, False, or None for automatic."""
    if bias is None or isinstance(bias, bool):
        return bias
    raise SettingError(f"{layer}: bias must be True, False, or None for automatic, not {bias!r}")
