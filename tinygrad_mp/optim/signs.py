"""Rprop, which follows the signs of the gradient, and ASGD, which averages where it has been."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.counted import CountedOptimizer, decayed
from tinygrad_mp.optim.fused import Update
from tinygrad_mp.optim.optimizer import Group, counter, zeros_like


class Rprop(CountedOptimizer):
    """A step size for each entry, which grows while its gradient keeps its sign and shrinks when it changes.

    ::

        size = clip(size * (etas[1] if g * previous > 0 else etas[0] if g * previous < 0 else 1), *step_sizes)
        g = 0 where g * previous < 0
        p = p - sign(g) * size;  previous = g

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 1e-2
        The first size.
    etas : (float, float), default (0.5, 1.2)
        Factors below and above 1.
    step_sizes : (float, float), default (1e-6, 50)
        The least and the largest size.
    capturable, foreach, maximize, differentiable
        See :class:`Optimizer`.

    Made for gradients of all the data at once: those of batches change their signs by chance.

    Source: Riedmiller and Braun, A direct adaptive method for faster backpropagation learning, 1993.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Rprop([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize}
        super().__init__(params, {**settings, "differentiable": differentiable, "capturable": capturable})

    def check(self, group: Group) -> None:
        self.require("lr", group["lr"])
        shrink, grow = group["etas"]
        if not 0.0 < shrink < 1.0 < grow:
            raise SettingError(f"Rprop: etas must be one factor in (0, 1) and one above 1, not {group['etas']!r}")

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("prev", "step_size")

    def start(self, entries: dict[str, Any], parameter: Any, group: Group) -> None:
        entries.update(step=counter(), prev=zeros_like(parameter), step_size=zeros_like(parameter))
        entries["step_size"].array[...] = float(group["lr"])

    def formula(self, group: Group, stage: Any) -> Update:
        (shrink, grow), (least, most) = map(float, group["etas"]), map(float, group["step_sizes"])

        def update(p: Any, g: Any, work: Any, previous: Any, size: Any) -> None:
            module = xp(p)
            g = -g if group["maximize"] else g
            module.multiply(g, previous, out=work)
            kept, turned = work > 0, work < 0
            size[kept] *= grow
            size[turned] *= shrink
            module.clip(size, least, most, out=size)
            module.copyto(previous, g)
            previous[turned] = 0
            module.sign(previous, out=work)
            work *= size
            p -= work

        return update


class ASGD(CountedOptimizer):
    """Gradient descent whose rate falls, and the average of the weights along its way, in ``state[p]["ax"]``.

    ::

        p = (1 - lambd * eta) * p - eta * g
        ax = ax + mu * (p - ax)
        eta = lr / (1 + lambd * lr * t)**alpha;  mu = 1 / max(1, t - t0)

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 1e-2
    lambd : float, default 1e-4
    alpha : float, default 0.75
    t0 : float, default 1e6
        The step after which averaging begins; before that ``ax`` is the weights.
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    foreach, maximize, differentiable, capturable
        See :class:`Optimizer`.

    Source: Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.ASGD([x], lr=0.25, lambd=0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        settings = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        switches = {"foreach": foreach, "maximize": maximize}
        super().__init__(params, {**settings, **switches, "differentiable": differentiable, "capturable": capturable})

    def check(self, group: Group) -> None:
        for setting in ("lr", "weight_decay"):
            self.require(setting, group[setting])

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("ax",)

    def start(self, entries: dict[str, Any], parameter: Any, group: Group) -> None:
        entries.update(step=counter(), eta=counter(float(group["lr"])), mu=counter(1.0))

    def advance(self, due: list[tuple[Any, Any, Group]]) -> None:
        """Update all parameters that are due, then the rate and the share of their next step."""
        super().advance(due)
        for parameter, _, group in due:
            entries, (lr, lambd, alpha, t0) = self.state[parameter], _settings(group)
            step = entries["step"].array.item()
            entries["eta"].array[...] = lr / (1 + lambd * lr * step) ** alpha
            entries["mu"].array[...] = 1 / max(1.0, step - t0)

    def stage(self, entries: dict[str, Any]) -> Any:
        return entries["eta"].array.item(), entries["mu"].array.item()

    def formula(self, group: Group, stage: Any) -> Update:
        (eta, mu), lambd = stage, float(group["lambd"])

        def update(p: Any, g: Any, work: Any, ax: Any) -> None:
            module, g = xp(p), decayed(g, p, group)
            # p = (1 - lambd * eta) * p - eta * g
            p *= 1 - lambd * eta
            p -= module.multiply(g, eta, out=work)
            # ax = ax + mu * (p - ax)
            if mu == 1:
                module.copyto(ax, p)
                return
            module.subtract(p, ax, out=work)
            work *= mu
            ax += work

        return update


def _settings(group: Group) -> tuple[float, ...]:
    return tuple(float(group[setting]) for setting in ("lr", "lambd", "alpha", "t0"))
