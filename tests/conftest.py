"""What all tests share: hypothesis profiles, and the reason why a GPU test is skipped."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Times on a shared machine vary too much for a deadline or a health check of speed to mean anything.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, **_COMMON)
settings.register_profile("ci", max_examples=25, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("nightly", max_examples=1000, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where there is no GPU."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import tinygrad_mp as tg

    try:
        tg.zeros(1, device="cuda")
    except tg.DeviceError as error:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=f"no GPU: {error.problem}; to mend it: {error.fix}"))
