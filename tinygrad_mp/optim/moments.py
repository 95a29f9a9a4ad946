"""Relatives of Adam, which divide a running mean of the gradient by a measure of its size."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.blending import blend
from tinygrad_mp.optim.counted import CountedOptimizer, decayed
from tinygrad_mp.optim.fused import Update
from tinygrad_mp.optim.optimizer import Group, counter


class _Moments(CountedOptimizer):
    def check(self, group: Group) -> None:
        for setting in ("lr", "eps", "weight_decay"):
            self.require(setting, group[setting])
        self.require_pair("betas", group)

    def stage(self, entries: dict[str, Any]) -> Any:
        return entries["step"].array.item()


class Adamax(_Moments):
    """Adam with the largest absolute gradient, forgotten slowly, in the place of the mean square.

    ::

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        p = p - lr / (1 - beta1**t) * m / u

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 2e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    maximize : bool, default False
        Climb instead.
    foreach, differentiable, capturable
        See :class:`Optimizer`.

    Source: Kingma and Ba, Adam, 2015, algorithm 2.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adamax([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach}
        switches = {"maximize": maximize, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**settings, **switches})

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def formula(self, group: Group, stage: float) -> Update:
        beta1, beta2 = map(float, group["betas"])
        eps, rate = float(group["eps"]), float(group["lr"]) / (1 - beta1**stage)

        def update(p: Any, g: Any, work: Any, m: Any, u: Any) -> None:
            module, g = xp(p), decayed(g, p, group)
            # m = beta1 * m + (1 - beta1) * g
            blend(m, beta1, g, 1 - beta1, work)
            # u = max(beta2 * u, |g| + eps)
            module.abs(g, out=work)
            work += eps
            u *= beta2
            module.maximum(u, work, out=u)
            # p = p - rate * m / u
            blend(p, 1.0, module.divide(m, u, out=work), -rate, work)

        return update


class NAdam(_Moments):
    """Adam that looks ahead along its running mean, as Nesterov's momentum does.

    ::

        mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)
        p = p - lr * (1 - mu(t)) / (1 - mu(1)...mu(t)) * g / (sqrt(v_hat) + eps)
              - lr * mu(t+1) / (1 - mu(1)...mu(t+1)) * m / (sqrt(v_hat) + eps)

    with ``m`` and ``v_hat`` as :class:`Adam` has them.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 2e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    momentum_decay : float, default 4e-3
        How fast ``mu`` warms up.
    decoupled_weight_decay : bool, default False
        Shrink the weights apart from the gradient, as :class:`AdamW` does.
    foreach, maximize, capturable, differentiable
        See :class:`Optimizer`.

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016, algorithm 8.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.NAdam([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.7359], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        decays = {"momentum_decay": momentum_decay, "decoupled_weight_decay": decoupled_weight_decay}
        switches = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**settings, **decays, "maximize": maximize, **switches})

    def check(self, group: Group) -> None:
        super().check(group)
        self.require("momentum_decay", group["momentum_decay"])

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def start(self, entries: dict[str, Any], parameter: Any, group: Group) -> None:
        entries.update(step=counter(), mu_product=counter(1.0))

    def count(self, entries: dict[str, Any], group: Group) -> None:
        super().count(entries, group)
        product = entries["mu_product"].array
        product *= _warming(group, entries["step"].array.item())

    def stage(self, entries: dict[str, Any]) -> Any:
        return entries["step"].array.item(), entries["mu_product"].array.item()

    def formula(self, group: Group, stage: Any) -> Update:
        step, product = stage
        lr, eps, shrink = float(group["lr"]), float(group["eps"]), _shrink(group)
        beta1, beta2 = map(float, group["betas"])
        mu, ahead = _warming(group, step), _warming(group, step + 1)
        now, then = -lr * (1 - mu) / (1 - product), -lr * ahead / (1 - product * ahead)
        settings = {**group, "weight_decay": 0} if group["decoupled_weight_decay"] else group

        def update(p: Any, g: Any, work: Any, m: Any, v: Any) -> None:
            module, g = xp(p), decayed(g, p, settings)
            blend(m, beta1, g, 1 - beta1, work)
            blend(v, beta2, module.multiply(g, g, out=work), 1 - beta2, work)
            # p = shrink * p + (now * g + then * m) / (sqrt(v_hat) + eps)
            module.divide(v, 1 - beta2**step, out=work)
            module.sqrt(work, out=work)
            work += eps
            blend(p, shrink, module.divide(now * g + then * m, work, out=work), 1.0, work)

        return update


class RAdam(_Moments):
    """Adam whose steps are not scaled until the running mean square is known well enough.

    With ``rho_inf = 2 / (1 - beta2) - 1`` and ``rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)``, and ``m_hat``,
    ``v`` as :class:`Adam` has them::

        rho > 5:  p = p - lr * m_hat * r * sqrt(1 - beta2**t) / (sqrt(v) + eps)
                  r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
        else:     p = p - lr * m_hat

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
    lr : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient.
    decoupled_weight_decay : bool, default False
        Shrink the weights apart from the gradient, as :class:`AdamW` does.
    foreach, maximize, capturable, differentiable
        See :class:`Optimizer`.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2020, algorithm 2.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.RAdam([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        switches = {"foreach": foreach, "capturable": capturable}
        decoupled = {"decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable}
        super().__init__(params, {**settings, **switches, **decoupled})

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def formula(self, group: Group, stage: float) -> Update:
        eps, shrink = float(group["eps"]), _shrink(group)
        beta1, beta2 = map(float, group["betas"])
        rate, correction = float(group["lr"]) / (1 - beta1**stage), 1 - beta2**stage
        limit = 2 / (1 - beta2) - 1
        length = limit - 2 * stage * beta2**stage / correction
        settings = {**group, "weight_decay": 0} if group["decoupled_weight_decay"] else group
        rectified = length > 5
        if rectified:
            terms = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
            rate *= (terms * correction) ** 0.5

        def update(p: Any, g: Any, work: Any, m: Any, v: Any) -> None:
            module, g = xp(p), decayed(g, p, settings)
            blend(m, beta1, g, 1 - beta1, work)
            blend(v, beta2, module.multiply(g, g, out=work), 1 - beta2, work)
            if not rectified:
                blend(p, shrink, m, -rate, work)
                return
            module.sqrt(v, out=work)
            work += eps
            blend(p, shrink, module.divide(m, work, out=work), -rate, work)

        return update


def _shrink(group: Group) -> float:
    """What a decoupled decay leaves of the weights in one step."""
    return 1 - float(group["lr"]) * float(group["weight_decay"]) if group["decoupled_weight_decay"] else 1.0


def _warming(group: Group, step: float) -> float:
    beta1, decay = float(group["betas"][0]), float(group["momentum_decay"])
    share: float = 1 - 0.5 * 0.96 ** (step * decay)
    return beta1 * share
