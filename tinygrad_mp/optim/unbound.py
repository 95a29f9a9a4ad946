"""Optimizers and schedulers whose settings are known before the parameters are.

>>> from tinygrad_mp import nn, optim
>>> settings = optim.Adam(lr=0.01)
>>> settings
Adam(lr=0.01, unbound)
>>> optimizer = settings.bind(nn.Linear(2, 1).parameters())
>>> optimizer.param_groups[0]["lr"]
0.01
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any

from tinygrad_mp.creation import zeros


class Bindable(type):
    """The class of optimizer and scheduler classes: calling one without what it works on gives :class:`Unbound`."""

    subject: str
    """The constructor's parameter for what it works on: ``"params"`` or ``"optimizer"``."""

    @property
    def __signature__(cls) -> Signature:  # without it, ``__call__`` below would hide the constructor's from help()
        whole = signature(cls.__init__)  # type: ignore[misc]
        return whole.replace(parameters=list(whole.parameters.values())[1:])

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if _lacks_first(cls, args, kwargs) or any(_holds_unbound(value) for value in (*args, *kwargs.values())):
            names = [name for name in signature(cls).parameters if name != cls.subject]
            return Unbound(cls, {**dict(zip(names, args, strict=False)), **kwargs})
        return super().__call__(*args, **kwargs)


def _lacks_first(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether the first argument is wanted and was not given."""
    if args:
        return False
    first = next(iter(signature(cls).parameters.values()), None)
    if first is None or first.name in kwargs:
        return False
    return first.default is Parameter.empty and first.kind is Parameter.POSITIONAL_OR_KEYWORD


def _holds_unbound(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_holds_unbound, value))
    return isinstance(value, Unbound)


class Unbound:
    """An optimizer without parameters yet, or a scheduler without an optimizer: a class and its settings.

    Parameters
    ----------
    kind : type
        The class.
    settings : dict
        Arguments of its constructor, by name. Schedulers among them may be unbound too.

    Errors
    ------
    TypeError for a setting that the class does not have, SettingError where a setting of an optimizer makes no sense.
    """

    def __init__(self, kind: Any, settings: dict[str, Any]) -> None:
        unknown = [name for name in settings if name not in signature(kind).parameters]
        if unknown:
            known = ", ".join(signature(kind).parameters)
            raise TypeError(f"{kind.__name__}() has no parameter {unknown[0]!r}; it has {known}")
        self.kind, self.settings = kind, settings
        if kind.subject == "params":
            self.bind([zeros(1, requires_grad=True)])  # raises now what would be raised later

    def bind(self, subject: Any) -> Any:
        """The optimizer over these parameters, or the scheduler of this optimizer."""
        settings = {name: _bound(value, subject) for name, value in self.settings.items()}
        names = list(signature(self.kind).parameters)
        given = self.kind.subject if self.kind.subject in names else names[0]
        return self.kind(**{given: subject}, **settings)

    def with_defaults(self, **defaults: Any) -> Unbound:
        """The same with further settings, for those of them that the class has and that were not given."""
        wanted = {name: value for name, value in defaults.items() if name in signature(self.kind).parameters}
        return Unbound(self.kind, {**wanted, **self.settings})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("kind", "settings"):
            raise AttributeError(name)
        wanted = {"params": "parameters", "optimizer": "an optimizer"}[self.kind.subject]
        problem = f"{self!r} has no {name!r} before it is bound to {wanted}"
        fix = f"make it with {wanted}, call bind({self.kind.subject}), or give it to a Model, which does"
        raise AttributeError(f"{problem}\n  fix: {fix}", name=name, obj=self)

    def __repr__(self) -> str:
        shown = [f"{name}={value!r}" for name, value in self.settings.items()]
        return f"{self.kind.__name__}({', '.join([*shown, 'unbound'])})"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Unbound, (self.kind, self.settings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unbound) and (self.kind, self.settings) == (other.kind, other.settings)

    __hash__ = None  # type: ignore[assignment]


def _bound(value: Any, subject: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_bound(one, subject) for one in value)
    return value.bind(subject) if isinstance(value, Unbound) else value
