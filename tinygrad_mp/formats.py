"""Words for how tensors lie in memory. There is one layout, and row-major order is all that users see of it."""

from __future__ import annotations


class layout:  # noqa: N801 - PyTorch's names
    """How the entries are stored: ``strided``, which is all there is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class memory_format:  # noqa: N801
    """In which order axes lie in memory: taken as a wish, because the engine chooses for itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
