"""Calling a module, and what users hang on the call: hooks before and after forward and backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_mp.autograd import RemovableHook
from tinygrad_mp.backend import xp
from tinygrad_mp.errors import TinygradError
from tinygrad_mp.grad_mode import is_grad_enabled
from tinygrad_mp.nn.attributes import Attributes
from tinygrad_mp.ops.copying import tapped
from tinygrad_mp.tape import TensorBase, wrap

_KINDS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class _Hook(NamedTuple):
    function: Callable[..., Any]
    with_kwargs: bool = False
    always: bool = False


_everywhere: dict[str, list[_Hook]] = {kind: [] for kind in _KINDS}  # hooks on all modules
_hooked_everywhere = False  # whether there ever was one


class Called(Attributes):
    """The part of :class:`Module` that runs ``forward`` with the hooks around it."""

    _hooked: bool  # whether a hook was ever registered: one look a call
    _forward_pre_hooks: list[_Hook]
    _forward_hooks: list[_Hook]
    _backward_pre_hooks: list[_Hook]
    _backward_hooks: list[_Hook]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update({"_hooked": False, **{kind: [] for kind in _KINDS}})

    def _forward_is_missing(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    forward: Callable[..., Any] = _forward_is_missing

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward`, with the hooks around it."""
        if self._hooked or _hooked_everywhere:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _hooks(self, kind: str) -> tuple[_Hook, ...]:
        """Those on all modules, then its own."""
        return (*_everywhere[kind], *self.__dict__[kind])

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        waiting = [hook for hook in self._hooks("_forward_hooks") if hook.always]
        try:
            return self._forward_with_hooks(args, kwargs, waiting)
        except Exception:
            for hook in waiting:  # their own errors must not hide the one that is under way
                try:
                    _after(hook, self, args, kwargs, None)
                except Exception as error:
                    warnings.warn(f"a forward hook with always_call=True raised {error!r}", stacklevel=2)
            raise

    def _forward_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any], waiting: list[_Hook]) -> Any:
        for hook in self._hooks("_forward_pre_hooks"):
            answer = hook.function(self, args, kwargs) if hook.with_kwargs else hook.function(self, args)
            if answer is None:
                continue
            if not hook.with_kwargs:
                args = answer if isinstance(answer, tuple) else (answer,)
            elif isinstance(answer, tuple) and len(answer) == 2:
                args, kwargs = answer
            else:
                raise _HookError(f"a forward pre-hook with kwargs must return None or (args, kwargs), not {answer!r}")
        backward = None
        before, after = self._hooks("_backward_pre_hooks"), self._hooks("_backward_hooks")
        if before or after:
            backward = _Backward(self, before, after)
            args = backward.watch_inputs(args)
        output = self.forward(*args, **kwargs)
        for hook in self._hooks("_forward_hooks"):
            if hook in waiting:
                waiting.remove(hook)
            answer = _after(hook, self, args, kwargs, output)
            if answer is not None:
                output = answer
        return output if backward is None else backward.watch_output(output)

    # --- registering ---

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHook:
        """Call ``hook(module, args)`` before ``forward``; what it returns, unless None, replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)``, returning None or ``(args, kwargs)``.
        ``prepend`` puts it before the hooks that are there. ``remove()`` on the result takes it off.
        """
        return _add_hook(self, "_forward_pre_hooks", _Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHook:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns, unless None, replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. With ``always_call`` it is called even if
        ``forward`` raises, with None for the output. ``prepend`` and the result are as for
        :meth:`register_forward_pre_hook`.

        >>> from tinygrad_mp import nn, tensor
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     layer(tensor([-1.0, 2.0]))
        tensor([1., 3.])
        """
        return _add_hook(self, "_forward_hooks", _Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHook:
        """Call ``hook(module, grad_output)`` when the gradients of the outputs are complete.

        ``grad_output`` is a tuple, with None for outputs without a gradient; what the hook returns, unless None,
        replaces it.
        """
        return _add_hook(self, "_backward_pre_hooks", _Hook(hook), prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHook:
        """Call ``hook(module, grad_input, grad_output)`` when backward has passed the module.

        Both are tuples, of the gradients of the positional arguments and of the outputs, with None where there is
        none; what the hook returns, unless None, replaces ``grad_input``. Outputs must be a tensor or a tuple.

        >>> from tinygrad_mp import nn, tensor
        >>> layer = nn.ReLU()
        >>> hook = layer.register_full_backward_hook(lambda module, grad_input, grad_output: (grad_input[0] * 10,))
        >>> x = tensor([-1.0, 2.0], requires_grad=True)
        >>> layer(x).sum().backward()
        >>> x.grad
        tensor([ 0., 10.])
        """
        return _add_hook(self, "_backward_hooks", _Hook(hook), prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHook:
        """The old name of :meth:`register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)


def _add_hook(module: Called, kind: str, hook: _Hook, prepend: bool) -> RemovableHook:
    module.__dict__["_hooked"] = True
    hooks = module.__dict__[kind]
    hooks.insert(0 if prepend else len(hooks), hook)
    return RemovableHook(hooks, hook)


# --- hooks on all modules -------------------------------------------------------------------------------------------


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHook:
    """As :meth:`Module.register_forward_pre_hook`, on every module there is and will be, before hooks of its own."""
    return _add_hook_everywhere("_forward_pre_hooks", _Hook(hook))


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHook:
    """As :meth:`Module.register_forward_hook`, on every module there is and will be, before hooks of its own.

    >>> from tinygrad_mp import nn, ones
    >>> with register_module_forward_hook(lambda module, args, output: print(module)):
    ...     y = nn.Sequential(nn.ReLU())(ones(2))
    ReLU()
    Sequential(
      (0): ReLU()
    )
    """
    return _add_hook_everywhere("_forward_hooks", _Hook(hook, with_kwargs, always_call))


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHook:
    """As :meth:`Module.register_full_backward_pre_hook`, on every module there is and will be."""
    return _add_hook_everywhere("_backward_pre_hooks", _Hook(hook))


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHook:
    """As :meth:`Module.register_full_backward_hook`, on every module there is and will be."""
    return _add_hook_everywhere("_backward_hooks", _Hook(hook))


register_module_backward_hook = register_module_full_backward_hook
"""The old name."""


def _add_hook_everywhere(kind: str, hook: _Hook) -> RemovableHook:
    global _hooked_everywhere
    _hooked_everywhere = True
    _everywhere[kind].append(hook)
    return RemovableHook(_everywhere[kind], hook)


class _HookError(TinygradError, TypeError):
    """A hook returned something that cannot take the place of what it was given."""


def _after(hook: _Hook, module: Any, args: Any, kwargs: Any, output: Any) -> Any:
    if hook.with_kwargs:
        return hook.function(module, args, kwargs, output)
    return hook.function(module, args, output)


class _Backward:
    """The backward hooks of one call: gradients are watched where they enter the module and where they leave it."""

    def __init__(self, module: Any, before: tuple[_Hook, ...], after: tuple[_Hook, ...]) -> None:
        self.module = module
        self.before = [hook.function for hook in before]
        self.after = [hook.function for hook in after]
        self.arguments = 0
        self.likes: dict[int, Any] = {}  # of the arguments that are tensors: what makes zeros like them
        self.inputs: list[int] | None = None
        self.outputs: list[int] | None = None
        self.results = 0
        self.arrived: tuple[Any, ...] | None = None

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.arguments = len(args)
        floating = [
            (i, one) for i, one in enumerate(args) if isinstance(one, TensorBase) and one.array.dtype.kind == "f"
        ]
        self.likes = {
            place: (one.result_class, xp(one.array), one.array.shape, one.array.dtype) for place, one in floating
        }
        args, self.inputs = _watched(args, self._leave)
        return args

    def watch_output(self, output: Any) -> Any:
        if not isinstance(output, (TensorBase, tuple)):
            warnings.warn(
                f"backward hooks see a module's tensor or tuple of tensors; this one returned {type(output).__name__}, "
                "so they are not called",
                stacklevel=4,
            )
            return output
        parts = output if isinstance(output, tuple) else (output,)
        self.results = len(parts)
        parts, self.outputs = _watched(parts, self._enter)
        return parts if isinstance(output, tuple) else parts[0]

    def _enter(self, gradients: Any, cls: type) -> Any:
        assert self.outputs is not None, "gradients come through the watched outputs only"
        self.arrived = _spread(gradients, self.outputs, self.results)
        for hook in self.before:
            answer = hook(self.module, self.arrived)
            if answer is not None:
                self.arrived = _checked(answer, self.results, "grad_output")
        answer = tuple(self.arrived[place] for place in self.outputs)
        if self.inputs is None:  # no argument has a gradient: nothing will leave
            for hook in self.after:
                replaced = hook(self.module, (None,) * self.arguments, self.arrived)
                if replaced is not None and any(one is not None for one in replaced):
                    raise _HookError("no argument of the module requires a gradient: its hook must return None")
            self.arrived = None
        return answer

    def _leave(self, gradients: Any, cls: type) -> Any:
        if self.arrived is None or self.inputs is None:  # around the outputs, as derivatives of higher order may
            return gradients
        leaving = self._with_zeros(_spread(gradients, self.inputs, self.arguments))
        for hook in self.after:
            answer = hook(self.module, leaving, self.arrived)
            if answer is not None:
                leaving = _checked(answer, self.arguments, "grad_input")
        self.arrived = None
        return tuple(leaving[place] for place in self.inputs)

    def _with_zeros(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """Zeros where a tensor among the arguments has no gradient, as in PyTorch."""
        found = list(gradients)
        for place, (cls, module, shape, dtype) in self.likes.items():
            if found[place] is None:
                found[place] = wrap(cls, module.zeros(shape, dtype=dtype))
        return tuple(found)


def _watched(values: Any, hook: Callable[[Any, type], Any]) -> tuple[Any, list[int] | None]:
    """``values`` with those that require a gradient on one node, whose cotangents ``hook`` sees together."""
    places = [place for place, value in enumerate(values) if isinstance(value, TensorBase) and value.requires_grad]  # type: ignore[attr-defined]
    if not places or not is_grad_enabled():
        return values, None
    passed = tapped(*(values[place] for place in places))
    node, cls = passed[0].node.parents[0], passed[0].result_class

    def see(parts: Any) -> Any:  # raw arrays, or tensors when backward is recorded
        lifted = next((isinstance(part, TensorBase) for part in parts if part is not None), False)
        shown = [part if part is None or lifted else wrap(cls, xp(part).asarray(part)) for part in parts]
        answers = hook(shown, cls)
        return [one if one is None or lifted else one.array for one in answers]

    node.hooks = [see]
    replaced = list(values)
    for place, value in zip(places, passed, strict=True):
        replaced[place] = value
    return (type(values)(*replaced) if hasattr(values, "_fields") else tuple(replaced)), places


def _spread(gradients: Any, places: list[int], count: int) -> tuple[Any, ...]:
    found: list[Any] = [None] * count
    for place, gradient in zip(places, gradients, strict=True):
        found[place] = gradient
    return tuple(found)


def _checked(answer: Any, count: int, name: str) -> tuple[Any, ...]:
    answers = answer if isinstance(answer, (tuple, list)) else (answer,)
    if len(answers) != count:
        raise _HookError(f"a backward hook returned {len(answers)} gradients for {name}, which has {count}")
    return tuple(answers)
