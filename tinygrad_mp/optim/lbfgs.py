"""L-BFGS, which learns the curvature from its last steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_mp.backend import xp
from tinygrad_mp.backend.blending import blend
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import enable_grad, no_grad
from tinygrad_mp.optim.line_search import Point, strong_wolfe
from tinygrad_mp.optim.optimizer import Group, Optimizer
from tinygrad_mp.tape import TensorBase, wrap
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.writes import mark_written


class LBFGS(Optimizer):
    """Limited-memory BFGS: steps along ``-H g``, with an inverse Hessian ``H`` made of the last steps and gradients.

    For smooth losses of all the data at once. Each ``step`` takes several iterations and calls ``closure`` for each,
    which must compute the loss, call ``backward`` and return the loss.

    Parameters
    ----------
    params : iterable of Tensor, or of (str, Tensor)
        One group: parameters cannot have settings of their own.
    lr : float, default 1
    max_iter : int, default 20
        Iterations of one step.
    max_eval : int, default 5/4 of max_iter
        Calls of ``closure`` in one step.
    tolerance_grad : float, default 1e-7
        Stop when no entry of the gradient is larger.
    tolerance_change : float, default 1e-9
        Stop when the loss, or every entry of the parameters, changes by less.
    history_size : int, default 100
        How many steps are remembered.
    line_search_fn : None or "strong_wolfe"
        Look for a good length along each direction, or take ``lr``.

    Source: Nocedal and Wright, Numerical optimization, 2006, algorithms 7.4 and 7.5.

    >>> from tinygrad_mp import optim, tensor
    >>> x = tensor([3.0, -4.0], requires_grad=True)
    >>> optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (x**2 * tensor([1.0, 5.0])).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure)
    tensor(89., grad_fn=<sum>)
    >>> bool(closure() < 1e-6)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        counts = {"max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval}
        tolerances = {"tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change}
        settings = {"lr": lr, **counts, **tolerances}
        super().__init__(params, {**settings, "history_size": history_size, "line_search_fn": line_search_fn})

    def add_param_group(self, param_group: Any) -> None:
        """Take the one group of parameters."""
        if self.param_groups:
            raise SettingError("LBFGS: parameters are in one group, and cannot have settings of their own")
        super().add_param_group(param_group)

    def check(self, group: Group) -> None:
        self.require("lr", group["lr"])

    @property
    def _params(self) -> list[Any]:
        parameters: list[Any] = self.param_groups[0]["params"]
        return parameters

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take up to ``max_iter`` iterations; return the loss before the first."""
        if closure is None:
            raise TypeError("LBFGS.step needs a closure, which computes the loss, calls backward and returns the loss")
        with no_grad():
            return self._step(closure)

    def _step(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        entries = self.state[self._params[0]]
        entries.setdefault("func_evals", 0)
        entries.setdefault("n_iter", 0)
        with enable_grad():
            first_loss = closure()
        entries["func_evals"] += 1
        calls, loss, g = 1, float(first_loss), self._gradient()
        if self._small(g):
            return first_loss
        memory = _Memory(entries, group["history_size"])
        for iteration in range(1, group["max_iter"] + 1):
            entries["n_iter"] += 1
            d, before = memory.direction(g, first=entries["n_iter"] == 1), loss
            lr = _scalar(group["lr"])
            t = min(1.0, 1.0 / _scalar(abs(g).sum())) * lr if entries["n_iter"] == 1 else lr
            memory.t, memory.loss = t, before
            slope = _scalar(g.dot(d))
            if slope > -group["tolerance_change"]:
                break
            settled, more = False, 0
            if group["line_search_fn"] is not None:
                found, more = self._search(closure, Point(0, loss, g, slope), d, t, group["max_eval"] - calls)
                t, loss, g = found.t, found.value, found.gradient
                memory.t = t
                self._move(d, t)
                settled = self._small(g)
            else:
                self._move(d, t)
                if iteration < group["max_iter"]:
                    with enable_grad():
                        loss = float(closure())
                    g, more = self._gradient(), 1
                    settled = self._small(g)
            calls += more
            entries["func_evals"] += more
            if calls >= group["max_eval"] or settled or iteration == group["max_iter"]:
                break
            if _scalar(abs(d * t).max()) <= group["tolerance_change"] or abs(loss - before) < group["tolerance_change"]:
                break
        memory.keep(entries)
        return first_loss

    def _search(self, closure: Callable[[], Any], start: Point, d: Any, t: Any, most: int) -> tuple[Point, int]:
        group = self.param_groups[0]
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError(f'LBFGS: line_search_fn is None or "strong_wolfe", not {group["line_search_fn"]!r}')
        here = [parameter.array.copy() for parameter in self._params]

        def evaluate(t: Any) -> Point:
            self._move(d, t)
            with enable_grad():
                loss = float(closure())
            g = self._gradient()
            for parameter, values in zip(self._params, here, strict=True):
                parameter.array[...] = values
                mark_written(parameter.array)
            return Point(t, loss, g, _scalar(g.dot(d)))

        reach = _scalar(abs(d).max())
        return strong_wolfe(evaluate, start, t, reach, 1e-9, most)

    def _gradient(self) -> Any:
        """The gradients of all parameters, one behind the other; zeros where there is none."""
        module = xp(self._params[0].array)
        parts = [module.zeros_like(p.array) if p.grad is None else p.grad.array for p in self._params]
        return module.concatenate([part.reshape(-1) for part in parts])

    def _small(self, g: Any) -> bool:
        return bool(_scalar(abs(g).max()) <= self.param_groups[0]["tolerance_grad"])

    def _move(self, d: Any, t: Any) -> None:
        """Add ``t * d`` to the parameters."""
        stop = 0
        for parameter in self._params:
            array = parameter.array
            start, stop = stop, stop + array.size
            array += d[start:stop].reshape(array.shape) * t
            mark_written(array)


class _Memory:
    """The last steps ``s``, differences of gradients ``y``, and what goes with them, as arrays while a step runs."""

    def __init__(self, entries: dict[str, Any], size: int) -> None:
        self.size = size
        self.d, self.before = _array(entries.get("d")), _array(entries.get("prev_flat_grad"))
        self.t, self.scale = _scalar(entries.get("t")), _scalar(entries.get("H_diag", 1))
        self.loss = entries.get("prev_loss")
        self.y, self.s = (list(map(_array, entries.get(name) or [])) for name in ("old_dirs", "old_stps"))
        self.rho = list(map(_scalar, entries.get("ro") or []))

    def direction(self, g: Any, first: bool) -> Any:
        """``-H g``, after the last step has been taken into ``H``."""
        if first:
            self.y, self.s, self.rho, self.scale = [], [], [], 1
            self.d = -g
        else:
            self._learn(g - self.before, self.d * self.t)
            self.d = self._product(-g)
        self.before = g.copy()
        return self.d

    def _learn(self, y: Any, s: Any) -> None:
        curvature = _scalar(y.dot(s))
        if curvature > 1e-10:
            if len(self.y) == self.size:
                del self.y[0], self.s[0], self.rho[0]
            self.y.append(y)
            self.s.append(s)
            self.rho.append(1.0 / curvature)
            self.scale = curvature / _scalar(y.dot(y))

    def _product(self, q: Any) -> Any:
        """``H q`` by the two loops."""
        work, shares = xp(q).empty_like(q), []
        history = list(zip(self.y, self.s, self.rho, strict=True))
        for y, s, rho in reversed(history):
            share = _scalar(s.dot(q)) * rho
            shares.append(share)
            blend(q, 1.0, y, -float(share), work)
        q *= self.scale
        for (y, s, rho), share in zip(history, reversed(shares), strict=True):
            blend(q, 1.0, s, float(share - _scalar(y.dot(q)) * rho), work)
        return q

    def keep(self, entries: dict[str, Any]) -> None:
        """Write the memory to the state, under PyTorch's names, as tensors."""

        def tensor(value: Any) -> Any:
            return wrap(Tensor, xp(self.d).asarray(value, dtype=self.d.dtype))

        entries.update(
            d=tensor(self.d),
            t=self.t if isinstance(self.t, (int, float)) else tensor(self.t),
            old_dirs=list(map(tensor, self.y)),
            old_stps=list(map(tensor, self.s)),
            ro=list(map(tensor, self.rho)),
            H_diag=self.scale if isinstance(self.scale, int) else tensor(self.scale),
            prev_flat_grad=tensor(self.before),
            prev_loss=self.loss,
        )


def _array(value: Any) -> Any:
    return value.array if isinstance(value, TensorBase) else value


def _scalar(value: Any) -> Any:
    """A number of the array's own dtype from an array or tensor with one entry; Python's numbers as they are."""
    value = _array(value)
    return value if value is None or isinstance(value, (int, float)) else value.dtype.type(value.item())
