"""Switches that scripts touch: each does what it says or nothing harmful, under the names that scripts import."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn

NAMES = """
accelerator amp autograd.function autograd.functional autograd.graph autograd.profiler autograd.variable backends.cpu
backends.cuda backends.cudnn backends.mkl backends.mkldnn backends.mps backends.openmp backends.opt_einsum compiler
cuda.amp distributed hub jit mps multiprocessing onnx profiler types version xpu
"""


def test_modules_can_be_imported_under_torchs_names() -> None:
    for name in NAMES.split():
        module: Any = importlib.import_module(f"tinygrad_mp.{name}")
        found: Any = tg
        for part in name.split("."):
            found = getattr(found, part)
        assert found is module


def test_the_first_lines_of_a_script_do_no_harm() -> None:
    tg.backends.cudnn.benchmark = True
    tg.backends.cudnn.deterministic = True
    with tg.backends.cudnn.flags(enabled=False):
        assert not tg.backends.cudnn.enabled
    assert tg.backends.cudnn.enabled
    tg.backends.cudnn.benchmark = tg.backends.cudnn.deterministic = False
    assert not tg.backends.mps.is_available()
    assert tg.backends.mkldnn.is_available() in (True, False)
    tg.backends.cuda.matmul.allow_tf32 = True
    tg.use_deterministic_algorithms(True)
    assert tg.are_deterministic_algorithms_enabled()
    tg.use_deterministic_algorithms(False)
    tg.set_float32_matmul_precision("high")
    assert tg.get_float32_matmul_precision() == "high"
    tg.set_float32_matmul_precision("highest")
    tg.set_num_interop_threads(1)
    assert tg.get_num_interop_threads() == 1
    assert tg.set_flush_denormal(True) is False
    assert tg.version.__version__ == tg.__version__
    assert not tg.distributed.is_available()
    assert not tg.distributed.is_initialized()


def test_without_cuda_what_steers_it_does_nothing() -> None:
    if tg.cuda.is_available():
        pytest.skip("there is a GPU")
    before = tg.get_rng_state().tolist()
    for call in (
        lambda: tg.cuda.manual_seed(3),
        lambda: tg.cuda.manual_seed_all(3),
        tg.cuda.seed_all,
        tg.cuda.empty_cache,
        tg.cuda.reset_peak_memory_stats,
        lambda: tg.cuda.set_device(0),
    ):
        call()
    assert tg.get_rng_state().tolist() == before
    assert tg.cuda.device_count() == tg.cuda.memory_allocated() == tg.cuda.max_memory_allocated() == 0
    assert tg.accelerator.current_accelerator() is None
    with pytest.raises(RuntimeError):
        tg.cuda.current_device()


def test_wrong_settings_raise_as_in_torch() -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    wrong: list[Any] = [
        lambda of: of.set_num_interop_threads(0),
        lambda of: of.autocast("nowhere"),
        lambda of: of.compile(lambda x: x, nonsense=3),
    ]
    for call in wrong:
        with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever it is
            call(torch)
        with pytest.raises(theirs.type):
            call(tg)
    with pytest.raises(ValueError, match="higher"):
        tg.set_float32_matmul_precision("higher")  # PyTorch warns


def test_mixed_precision_asked_for_trains_in_full_precision() -> None:
    x, y = tg.randn(8, 3), tg.randn(8, 1)
    found = []
    for mixed in (False, True):
        model = nn.Linear(3, 1)
        model.load_state_dict({"weight": tg.ones(1, 3), "bias": tg.zeros(1)})
        optimizer = tg.optim.SGD(model.parameters(), lr=0.1)
        scaler = tg.cuda.amp.GradScaler() if mixed else tg.amp.GradScaler("cpu", enabled=False)
        for _ in range(3):
            optimizer.zero_grad()
            with tg.autocast("cpu", dtype=tg.bfloat16, enabled=mixed), tg.cuda.amp.autocast():
                loss = ((model(x) - y) ** 2).mean()
            assert loss.dtype == tg.float32
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
        scaler.load_state_dict(scaler.state_dict())
        found.append(model.weight.tolist())
    assert found[0] == found[1]

    @tg.autocast("cpu")
    def product(a: Any) -> Any:
        return a @ a

    assert product(tg.ones(2, 2)).dtype == tg.float32


def test_no_tensor_has_the_dtype_that_autocast_may_be_asked_for() -> None:
    with pytest.raises(TypeError, match="bfloat16"):
        tg.ones(2).to(tg.bfloat16)
    with pytest.raises(TypeError, match="bfloat16"):
        tg.ones(2, dtype=tg.bfloat16)


def test_compile_and_jit_give_back_what_they_were_given() -> None:
    model = nn.Linear(2, 2)
    assert tg.compile(model) is model
    assert tg.jit.script(model) is model
    assert tg.jit.trace(model, tg.ones(1, 2)) is model

    @tg.compile
    def first(x: int) -> int:
        return x + 1

    @tg.compile(mode="reduce-overhead", fullgraph=True)
    def second(x: int) -> int:
        return x + 1

    @tg.jit.script
    def third(x: int) -> int:
        return x + 1

    @tg.jit.ignore
    def fourth(x: int) -> int:
        return x + 1

    @tg.compiler.disable
    def fifth(x: int) -> int:
        return x + 1

    assert [f(1) for f in (first, second, third, fourth, fifth)] == [2] * 5


def test_what_is_left_out_names_the_alternative() -> None:
    for call, word in (
        (lambda: tg.onnx.export(nn.Linear(1, 1), tg.ones(1), "file"), "safetensors"),
        (lambda: tg.hub.load("pytorch/vision", "resnet18"), "safetensors"),
        (lambda: tg.jit.save(None, "file"), "state_dict"),
        (lambda: tg.distributed.init_process_group("gloo"), "is_available"),
    ):
        with pytest.raises(NotImplementedError, match=word):
            call()


def test_a_profiled_stretch_runs() -> None:
    with tg.profiler.profile(activities=[tg.profiler.ProfilerActivity.CPU]) as watched:
        with tg.profiler.record_function("forward"):
            tg.ones(2) * 2
        watched.step()
    assert "cProfile" in watched.key_averages().table(sort_by="cpu_time_total", row_limit=10)
