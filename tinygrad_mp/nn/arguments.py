"""``Configured``: an object that remembers how it was made, so that it can be written to a file and made again."""

from __future__ import annotations

from typing import Any, Self


class Configured:
    """Base of what can be made again: keeps the arguments of the constructor beside what the constructor made of them.

    It is done in ``__new__``, so that subclasses write an ordinary ``__init__``.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)
        made.__dict__["_arguments"] = (args, kwargs)
        return made
