"""The allocator is set up at import, unless the environment or the platform says otherwise."""

import os
import subprocess
import sys

import pytest

from tinygrad_mp.backend.allocator import keep_freed_memory

# Allocate 64 MB and free them: with the allocator set up, the process keeps them.
CODE = """
import tinygrad_mp, numpy
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
before = resident()
numpy.ones(8 << 20)
print(resident() - before)
"""


def kept(setting: str) -> int:
    environment = os.environ | {"TINYGRAD_MP_MALLOPT": setting}
    result = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return int(result.stdout)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads resident memory from Linux's /proc")
def test_freed_memory_is_kept_unless_the_environment_forbids_it():
    if not keep_freed_memory():
        pytest.skip("the C library is not glibc: there is nothing to set up")
    assert kept("1") > 60e6
    assert kept("0") < 10e6


def test_another_platform_is_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
