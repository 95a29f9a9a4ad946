"""Without PyTorch, whose databases they read, the helpers here cannot be imported; the tests skip by themselves."""

from importlib.util import find_spec
from pathlib import Path

if not (find_spec("torch") and find_spec("expecttest")):
    collect_ignore = [path.name for path in Path(__file__).parent.glob("*.py") if not path.name.startswith("test_")]
