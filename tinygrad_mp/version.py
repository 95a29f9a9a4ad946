"""``version``: of this package, and of what it was built against: nothing."""

from __future__ import annotations

import sys

__version__: str = sys.modules["tinygrad_mp"].__version__

cuda: str | None = None
hip: str | None = None
git_version = "unknown"
debug = False
