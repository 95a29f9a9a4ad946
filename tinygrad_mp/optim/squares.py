"""Optimizers that divide the gradient by a root of its past squares: Adagrad, Adadelta, RMSprop."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.blending import blend
from tinygrad_mp.optim.counted import CountedOptimizer, decayed
from tinygrad_mp.optim.fused import Update
from tinygrad_mp.optim.optimizer import Group, counter, zeros_like


class Adagrad(CountedOptimizer):
    """Steps divided by the root of the sum of all squared gradients.

    ::

        s = s + g**2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 1e-2
    lr_decay : float, default 0
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    initial_accumulator_value : float, default 0
        Where ``s`` starts.
    eps : float, default 1e-10
    foreach, maximize, differentiable, fused
        See :class:`Optimizer`.

    Source: Duchi, Hazan and Singer, Adaptive subgradient methods, 2011.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adagrad([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        settings = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        start = {"initial_accumulator_value": initial_accumulator_value}
        switches = {"foreach": foreach, "maximize": maximize, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**settings, **start, **switches})
        for group in self.param_groups:
            for parameter in group["params"]:
                self.start(self.state[parameter], parameter, group)

    def check(self, group: Group) -> None:
        for setting in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            self.require(setting, group[setting])

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("sum",)

    def start(self, entries: dict[str, Any], parameter: Any, group: Group) -> None:
        entries.update(step=counter(), sum=zeros_like(parameter))
        entries["sum"].array[...] = float(group["initial_accumulator_value"])

    def stage(self, entries: dict[str, Any]) -> Any:
        return entries["step"].array.item()

    def formula(self, group: Group, stage: float) -> Update:
        eps, rate = float(group["eps"]), float(group["lr"]) / (1 + (stage - 1) * float(group["lr_decay"]))

        def update(p: Any, g: Any, work: Any, s: Any) -> None:
            module, g = xp(p), decayed(g, p, group)
            # s = s + g**2
            s += module.multiply(g, g, out=work)
            # p = p - rate * g / (sqrt(s) + eps)
            module.sqrt(s, out=work)
            work += eps
            blend(p, 1.0, module.divide(g, work, out=work), -rate, work)

        return update


class Adadelta(CountedOptimizer):
    """Steps as long as recent steps were, over recent gradients: no unit of length has to be chosen.

    ::

        v = rho * v + (1 - rho) * g**2
        d = sqrt(a + eps) / sqrt(v + eps) * g
        a = rho * a + (1 - rho) * d**2
        p = p - lr * d

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 1.0
    rho : float, default 0.9
    eps : float, default 1e-6
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    foreach, capturable, maximize, differentiable
        See :class:`Optimizer`.

    Source: Zeiler, ADADELTA, 2012, algorithm 1.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adadelta([x], eps=1e-2)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.6877], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        switches = {"capturable": capturable, "foreach": foreach, "differentiable": differentiable}
        super().__init__(params, {**settings, **switches})

    def check(self, group: Group) -> None:
        for setting in ("lr", "eps", "weight_decay"):
            self.require(setting, group[setting])
        if group["rho"] != 1:
            self.require("rho", group["rho"], below=1.0)

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def formula(self, group: Group, stage: Any) -> Update:
        lr, rho, eps = float(group["lr"]), float(group["rho"]), float(group["eps"])

        def update(p: Any, g: Any, work: Any, v: Any, a: Any) -> None:
            module, g = xp(p), decayed(g, p, group)
            # v = rho * v + (1 - rho) * g**2
            blend(v, rho, module.multiply(g, g, out=work), 1 - rho, work)
            # d = sqrt(a + eps) / sqrt(v + eps) * g
            d = module.sqrt(a + eps)
            d /= module.sqrt(v + eps)
            d *= g
            # a = rho * a + (1 - rho) * d**2
            blend(a, rho, module.multiply(d, d, out=work), 1 - rho, work)
            blend(p, 1.0, d, -lr, work)

        return update


class RMSprop(CountedOptimizer):
    """Steps divided by the root of a running mean of squared gradients.

    ::

        v = alpha * v + (1 - alpha) * g**2
        a = alpha * a + (1 - alpha) * g       centered only; then v - a**2 stands for v below
        b = momentum * b + g / (sqrt(v) + eps)
        p = p - lr * b

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 1e-2
    alpha : float, default 0.99
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    momentum : float, default 0
    centered : bool, default False
        Divide by an estimate of the standard deviation.
    capturable, foreach, maximize, differentiable
        See :class:`Optimizer`.

    Source: Tieleman and Hinton, Neural networks for machine learning, lecture 6.5, 2012; the centered form: Graves,
    Generating sequences with recurrent neural networks, 2013, eq. 38-45.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.RMSprop([x], lr=0.025)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered}
        switches = {"capturable": capturable, "foreach": foreach, "maximize": maximize}
        super().__init__(
            params, {**settings, "weight_decay": weight_decay, **switches, "differentiable": differentiable}
        )

    def check(self, group: Group) -> None:
        for setting in ("lr", "eps", "momentum", "weight_decay", "alpha"):
            self.require(setting, group[setting])

    def buffers(self, group: Group) -> tuple[str, ...]:
        optional = ("momentum_buffer",) * (group["momentum"] > 0), ("grad_avg",) * bool(group["centered"])
        return ("square_avg", *optional[0], *optional[1])

    def formula(self, group: Group, stage: Any) -> Update:
        lr, alpha, eps, momentum = (float(group[setting]) for setting in ("lr", "alpha", "eps", "momentum"))

        def update(p: Any, g: Any, work: Any, v: Any, *optional: Any) -> None:
            module, g = xp(p), decayed(g, p, group)
            blend(v, alpha, module.multiply(g, g, out=work), 1 - alpha, work)
            if group["centered"]:
                a = optional[-1]
                blend(a, alpha, g, 1 - alpha, work)
                module.multiply(a, a, out=work)
                module.subtract(v, work, out=work)
                module.sqrt(work, out=work)
            else:
                module.sqrt(v, out=work)
            work += eps
            module.divide(g, work, out=work)
            if momentum > 0:
                b = optional[0]
                b *= momentum
                b += work
                blend(p, 1.0, b, -lr, work)
            else:
                blend(p, 1.0, work, -lr, work)

        return update
