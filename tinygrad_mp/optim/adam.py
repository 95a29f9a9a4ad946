"""Adam, and AdamW, which decays the weights apart from the gradient."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.blending import blend
from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.fused import FusedOptimizer, Update
from tinygrad_mp.optim.optimizer import Group, counter
from tinygrad_mp.tape import TensorBase


class Adam(FusedOptimizer):
    """Steps scaled by running means of the gradient and of its square.

    ::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        p = p - lr * (m / (1 - beta1**t)) / (sqrt(v / (1 - beta2**t)) + eps)

    Parameters
    ----------
    params : iterable of Tensor or of dict
    lr : float, default 1e-3
    betas : (float, float), default (0.9, 0.999)
        How slowly the two means forget; each in [0, 1).
    eps : float, default 1e-8
    weight_decay : float, default 0
        Adds ``weight_decay * p`` to the gradient; see :class:`AdamW` for the other way.
    amsgrad : bool, default False
        Divide by the largest ``v`` so far. Source: Reddi et al., On the convergence of Adam and beyond, 2018, alg. 2.
    maximize : bool, default False
        Climb instead.
    decoupled_weight_decay : bool, default False
        Decay as :class:`AdamW` does.
    foreach, capturable, differentiable, fused
        See :class:`Optimizer`.

    Source: Kingma and Ba, Adam, 2015, algorithm 1.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.Adam([x], lr=0.25)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        switches = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        decoupled = {"decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**settings, "maximize": maximize, **switches, **decoupled})

    def check(self, group: Group) -> None:
        for setting in ("lr", "eps", "weight_decay"):
            self.require(setting, group[setting])
        if not isinstance(group["betas"], (tuple, list)) or len(group["betas"]) != 2:
            raise SettingError(f"{type(self).__name__}: betas must be two numbers, not {group['betas']!r}")
        for number, beta in enumerate(group["betas"]):
            self.require(f"betas[{number}]", beta, below=1.0)
        tensors = [isinstance(one, TensorBase) for one in (*group["betas"], group["lr"])]
        if tensors[0] != tensors[1]:
            raise SettingError(f"Adam: betas must be two numbers or two tensors, not {group['betas']!r}")
        if any(tensors) and group["foreach"] and not group["capturable"]:
            raise SettingError("Adam: with foreach=True and capturable=False, lr and betas must be numbers")

    def buffers(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq") if group["amsgrad"] else ("exp_avg", "exp_avg_sq")

    def stage(self, entries: dict[str, Any]) -> float:
        if "step" not in entries:
            entries["step"] = counter()
        count = entries["step"].array
        step: float = count.item() + 1
        count[...] = step
        return step

    def formula(self, group: Group, stage: float) -> Update:
        lr, eps, decay = float(group["lr"]), float(group["eps"]), float(group["weight_decay"])
        beta1, beta2 = map(float, group["betas"])
        maximize, decoupled = group["maximize"], group["decoupled_weight_decay"]
        shrink = 1 - lr * decay if decoupled else 1.0
        rate, correction = lr / (1 - beta1**stage), math.sqrt(1 - beta2**stage)

        def update(p: Any, g: Any, work: Any, m: Any, v: Any, largest: Any = None) -> None:
            module = xp(p)
            if maximize:
                g = -g
            if decay and not decoupled:
                g = g + decay * p
            # m = beta1 * m + (1 - beta1) * g
            blend(m, beta1, g, 1 - beta1, work)
            # v = beta2 * v + (1 - beta2) * g**2
            blend(v, beta2, module.multiply(g, g, out=work), 1 - beta2, work)
            if largest is not None:
                v = module.maximum(largest, v, out=largest)
            # p = p - lr * m_hat / (sqrt(v_hat) + eps), where sqrt(v_hat) = sqrt(v) / correction
            module.sqrt(v, out=work)
            if p.dtype.itemsize == 2:  # float16 cannot hold eps * correction
                work /= correction
                work += eps
                factor = -rate
            else:
                work += eps * correction
                factor = -rate * correction
            blend(p, shrink, module.divide(m, work, out=work), factor, work)

        return update


class AdamW(Adam):
    """Adam with the decay of the weights taken out of the gradient: ``p = p - lr * weight_decay * p`` first.

    Parameters are Adam's, with ``weight_decay`` 0.01 by default.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, 2019, algorithm 2.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([1.0], requires_grad=True)
    >>> optimizer = optim.AdamW([x], lr=0.25, weight_decay=0.4)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.6500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )
