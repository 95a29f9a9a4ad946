"""What most adaptive optimizers share: a count of steps, settings that are checked alike, a decayed gradient."""

from __future__ import annotations

from typing import Any

from tinygrad_mp.errors import SettingError
from tinygrad_mp.optim.fused import FusedOptimizer
from tinygrad_mp.optim.optimizer import Group, counter


class CountedOptimizer(FusedOptimizer):
    """Base of optimizers that count the steps of each parameter, and whose state may start elsewhere than at zero."""

    def start(self, entries: dict[str, Any], parameter: Any, group: Group) -> None:
        """Make the state that does not start as zeros of the parameter's shape."""
        entries["step"] = counter()

    def count(self, entries: dict[str, Any], group: Group) -> None:
        """Bring the numbers in the state to the step that begins."""
        step = entries["step"].array
        step += 1

    def stage(self, entries: dict[str, Any]) -> Any:
        """What the formula depends on; nothing unless a subclass says so."""
        return None

    def advance(self, due: list[tuple[Any, Any, Group]]) -> None:
        """Count, then update all parameters that are due."""
        for parameter, _, group in due:
            entries = self.state[parameter]
            if not entries:
                self.start(entries, parameter, group)
            self.count(entries, group)
        super().advance(due)

    def require_pair(self, setting: str, group: Group) -> None:
        """Raise SettingError unless the setting is two numbers in [0, 1)."""
        pair = group[setting]
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise SettingError(f"{type(self).__name__}: {setting} must be two numbers, not {pair!r}")
        for position, value in enumerate(pair):
            self.require(f"{setting}[{position}]", value, below=1.0)


def decayed(g: Any, p: Any, group: Group) -> Any:
    """The gradient to follow: turned round to maximize, and with the penalty ``weight_decay / 2 * p**2`` in it."""
    if group["maximize"]:
        g = -g
    decay = float(group["weight_decay"])
    return g + decay * p if decay else g
