"""Functions that are called around the steps, and around saving and loading, of optimizers."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from tinygrad_mp.autograd import RemovableHook

Hook = Callable[..., Any]

KINDS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")
_everywhere: dict[str, list[Hook]] = {"step_pre": [], "step_post": []}


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHook:
    """Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer; see ``register_step_pre_hook``."""
    return _register(_everywhere["step_pre"], hook, False)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHook:
    """Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer."""
    return _register(_everywhere["step_post"], hook, False)


def _register(hooks: list[Hook], hook: Hook, prepend: bool) -> RemovableHook:
    hooks.insert(0 if prepend else len(hooks), hook)
    return RemovableHook(hooks, hook)


def around(step: Callable[..., Any]) -> Callable[..., Any]:
    """``step`` with the hooks of its optimizer before and after it, once, however many ``step`` call each other."""

    @wraps(step)
    def hooked(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.called_since_scheduled is False:
            self.called_since_scheduled = True
        pre = (*_everywhere["step_pre"], *self.hooks["step_pre"])
        post = (*self.hooks["step_post"], *_everywhere["step_post"])
        if self.stepping or not (pre or post):
            return step(self, *args, **kwargs)
        self.stepping = True
        try:
            args = (self, *args)
            for hook in pre:
                given = hook(self, args, kwargs)
                if given is not None:
                    if not isinstance(given, tuple) or len(given) != 2:
                        raise RuntimeError(
                            f"{type(self).__name__}.step: a pre-hook returns None or a pair (args, kwargs), "
                            f"not {given!r:.60}"
                        )
                    args, kwargs = given
            result = step(*args, **kwargs)
            for hook in post:
                hook(self, args, kwargs)
            return result
        finally:
            self.stepping = False

    return hooked


class Hooked:
    """The part of an optimizer that keeps its hooks."""

    hooks: dict[str, list[Hook]]
    stepping = False
    called_since_scheduled: bool | None = None
    """Whether ``step`` was called since a scheduler took over; None without one."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            cls.step = around(vars(cls)["step"])  # type: ignore[attr-defined]

    def forget_hooks(self) -> None:
        """Begin without hooks."""
        self.hooks = {kind: [] for kind in KINDS}

    def register_step_pre_hook(self, hook: Hook) -> RemovableHook:
        """Call ``hook(optimizer, args, kwargs)`` before every step; it may return other ``(args, kwargs)``.

        ``args`` begins with the optimizer itself. Returns a handle with ``remove()``.
        """
        return _register(self.hooks["step_pre"], hook, False)

    def register_step_post_hook(self, hook: Hook) -> RemovableHook:
        """Call ``hook(optimizer, args, kwargs)`` after every step."""
        return _register(self.hooks["step_post"], hook, False)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHook:
        """Call ``hook(optimizer)`` before ``state_dict``."""
        return _register(self.hooks["state_dict_pre"], hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHook:
        """Call ``hook(optimizer, state_dict)`` after ``state_dict``; what it returns, unless None, is returned."""
        return _register(self.hooks["state_dict_post"], hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHook:
        """Call ``hook(optimizer, state_dict)`` before ``load_state_dict``; what it returns, unless None, is loaded."""
        return _register(self.hooks["load_state_dict_pre"], hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHook:
        """Call ``hook(optimizer)`` after ``load_state_dict``."""
        return _register(self.hooks["load_state_dict_post"], hook, prepend)
