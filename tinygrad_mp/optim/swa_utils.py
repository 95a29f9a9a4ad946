"""Averages of weights over training: equal ones with their learning rates (SWA), and exponential ones (EMA)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from tinygrad_mp.absent import lookup
from tinygrad_mp.creation import tensor
from tinygrad_mp.errors import SettingError
from tinygrad_mp.grad_mode import no_grad
from tinygrad_mp.nn.module import Module
from tinygrad_mp.nn.normalization import _BatchNorm
from tinygrad_mp.optim.lr_scheduler.base import FormulaScheduler, expect_optimizer, per_group

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


class AveragedModel(Module):
    """A copy of a model that holds averages of the weights which that model goes through.

    Parameters
    ----------
    model : Module
        Copied, as ``self.module``.
    device : optional
        Where the averages live; by default where the model does.
    avg_fn : function, optional
        ``avg_fn(average, parameter, n_averaged)`` returns the next average of one parameter; by default that of
        :func:`get_swa_avg_fn`.
    multi_avg_fn : function, optional
        ``multi_avg_fn(averages, parameters, n_averaged)`` writes the next averages into a list of tensors of one dtype
        on one device. Only one of the two may be given.
    use_buffers : bool, default False
        Average the buffers too; otherwise they are copied from the model.

    Attributes
    ----------
    n_averaged : Tensor
        How many models went into the average, an int64 buffer. The first is copied.

    Source: Izmailov et al., Averaging weights leads to wider optima and better generalization, 2018.

    >>> from tinygrad_mp import nn, optim
    >>> model = nn.Linear(1, 1, bias=False)
    >>> average = optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item(), average.n_averaged
    (2.0, tensor(2))
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[[Any, Any, Any], Any] | None = None,
        multi_avg_fn: Callable[[list[Any], list[Any], Any], Any] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("AveragedModel takes avg_fn or multi_avg_fn, not both")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype="int64", device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the averaged model."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the present weights of ``model`` into the average."""
        averages, values = self._averaged(self.module), self._averaged(model)
        pairs = [(one.detach(), new.detach().to(one.device)) for one, new in zip(averages, values, strict=True)]
        if int(self.n_averaged) == 0:
            for average, value in pairs:
                average.copy_(value)
        elif self.multi_avg_fn is not None:
            for group in _grouped(pairs):
                count = self.n_averaged.to(group[0][0].device)
                self.multi_avg_fn([one for one, _ in group], [new for _, new in group], count)
        else:
            next_average = self.avg_fn or get_swa_avg_fn()
            for average, value in pairs:
                average.copy_(next_average(average, value, self.n_averaged.to(average.device)))
        if not self.use_buffers:
            for mine, its in zip(self.module.buffers(), model.buffers(), strict=True):
                mine.detach().copy_(its.detach().to(mine.device))
        self.n_averaged += 1

    def _averaged(self, model: Module) -> Iterable[Any]:
        return chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()


def _grouped(pairs: list[tuple[Any, Any]]) -> Iterable[list[tuple[Any, Any]]]:
    groups: dict[tuple[str, Any], list[tuple[Any, Any]]] = {}
    for pair in pairs:
        groups.setdefault((str(pair[0].device), pair[0].dtype), []).append(pair)
    return groups.values()


# --- what an average is ---------------------------------------------------------------------------------------------


def get_swa_avg_fn() -> Callable[[Any, Any, Any], Any]:
    """The mean of all models so far: ``average + (parameter - average) / (n + 1)``."""

    @no_grad()
    def update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return update


def get_swa_multi_avg_fn() -> Callable[[list[Any], list[Any], Any], None]:
    """:func:`get_swa_avg_fn` for lists of tensors, in place."""
    return _in_place(get_swa_avg_fn(), lambda count: 1 / (int(count) + 1))


def get_ema_avg_fn(decay: float = 0.999) -> Callable[[Any, Any, Any], Any]:
    """The exponential average: ``decay * average + (1 - decay) * parameter``. SettingError unless 0 <= decay <= 1.

    >>> from tinygrad_mp import tensor
    >>> get_ema_avg_fn(0.75)(tensor(1.0), tensor(5.0), 3)
    tensor(2.)
    """
    if not 0.0 <= decay <= 1.0:
        raise SettingError(f"an exponential average has a decay from 0 to 1, not {decay}")

    @no_grad()
    def update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[list[Any], list[Any], Any], None]:
    """:func:`get_ema_avg_fn` for lists of tensors, in place."""
    return _in_place(get_ema_avg_fn(decay), lambda count: 1 - decay)


def _in_place(function: Callable[[Any, Any, Any], Any], share: Callable[[Any], float]) -> Callable[..., None]:
    """Write the averages of lists; of floating ones by ``lerp_`` with the share of what is new."""

    @no_grad()
    def update(averages: list[Any], parameters: list[Any], num_averaged: Any) -> None:
        for average, parameter in zip(averages, parameters, strict=True):
            if average.is_floating_point():
                average.lerp_(parameter, share(num_averaged))
            else:
                average.copy_(function(average, parameter, num_averaged))

    return update


# --- what goes with it ----------------------------------------------------------------------------------------------


class SWALR(FormulaScheduler):
    """From the present rate to ``swa_lr`` within ``anneal_epochs``, and constant from then on.

    Parameters
    ----------
    optimizer : Optimizer
    swa_lr : float, or list with one for each group
        Kept in the groups as ``swa_lr``.
    anneal_epochs : int, default 10
        0 goes there at once.
    anneal_strategy : {"cos", "linear"}, default "cos"
    last_epoch : int, default -1

    Errors
    ------
    SettingError for another strategy, or if ``anneal_epochs`` is no int from 0.

    >>> from tinygrad_mp import optim, zeros
    >>> optimizer = optim.SGD([zeros(2, requires_grad=True)], lr=1.0)
    >>> scheduler = optim.swa_utils.SWALR(optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear")
    >>> rates = []
    >>> for epoch in range(4):
    ...     rates.append(scheduler.get_last_lr()[0])
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(
        self,
        optimizer: Any,
        swa_lr: Any,
        anneal_epochs: Any = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", expect_optimizer(optimizer), swa_lr)
        if anneal_strategy not in ("cos", "linear"):
            raise SettingError(f'SWALR: anneal_strategy is "cos" or "linear", not {anneal_strategy!r}')
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise SettingError(f"SWALR: anneal_epochs is an int from 0, not {anneal_epochs!r}")
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self._anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How much of the way is done."""
        way = min(1.0, max(0.0, step / max(1, self.anneal_epochs)))
        return way if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * way)) / 2

    def rates(self) -> list[Any]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        found = []
        for group in self.optimizer.param_groups:
            goal = group["swa_lr"]
            start = goal if before == 1 else (group["lr"] - before * goal) / (1 - before)
            found.append(goal * now + start * (1 - now))
        return found


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of all batch normalisation anew, in one pass over the data.

    Parameters
    ----------
    loader : iterable
        Batches: a tensor, or a list or tuple that begins with one.
    model : Module
        Called in training mode; its own mode is put back.
    device : optional
        Where to move the batches.

    >>> from tinygrad_mp import nn, tensor
    >>> model = nn.BatchNorm1d(1)
    >>> update_bn([tensor([[1.0], [3.0]]), tensor([[5.0], [7.0]])], model)
    >>> model.running_mean
    tensor([4.])
    """
    momenta = {module: module.momentum for module in model.modules() if isinstance(module, _BatchNorm)}
    for module in momenta:
        module.reset_running_stats()
    if not momenta:
        return
    was_training = model.training
    model.train()
    try:
        for module in momenta:
            module.momentum = None  # all batches count alike
        for batch in loader:
            input = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(input if device is None else input.to(device))
    finally:
        for module, momentum in momenta.items():
            module.momentum = momentum
        model.train(was_training)


__getattr__ = lookup("optim.swa_utils")
