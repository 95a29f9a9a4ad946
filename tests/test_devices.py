"""Devices: what is missing is said with the command that mends it, nothing moves by itself, gradients move back."""

from __future__ import annotations

import builtins
import pickle
import sys
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn, optim
from tinygrad_mp.backend import array_on, device_of, to_numpy, unregister_backend, xp
from tinygrad_mp.errors import DeviceError, TinygradError
from tinygrad_mp.tensor import Tensor
from tinygrad_mp.testing.strict import StrictArray, register, strict

# --- CuPy, as it may be found ----------------------------------------------------------------------------------------


class FakeCudaArray(numpy.ndarray):
    """Plays ``cupy.ndarray``."""

    device = SimpleNamespace(id=0)


class CUDARuntimeError(RuntimeError):
    pass


def fake_cupy(device_count: Callable[[], int]) -> ModuleType:
    """A module that plays CuPy on NumPy, as far as the backend looks at it."""
    cupy = ModuleType("cupy")
    cupy.__dict__.update(vars(numpy), __name__="cupy", ndarray=FakeCudaArray)
    cupy.asarray = lambda array: numpy.array(array).view(FakeCudaArray)  # type: ignore[attr-defined]
    cupy.asnumpy = lambda array: numpy.array(array)  # type: ignore[attr-defined]

    class Device:
        def __init__(self, index: int) -> None:
            self.index = index

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: object) -> None:
            pass

    runtime = SimpleNamespace(getDeviceCount=device_count, CUDARuntimeError=CUDARuntimeError)
    stream = SimpleNamespace(synchronize=lambda: None)
    cupy.cuda = SimpleNamespace(  # type: ignore[attr-defined]
        runtime=runtime, Device=Device, get_current_stream=lambda: stream
    )
    return cupy


@pytest.fixture(autouse=True)
def only_the_host() -> Iterator[None]:
    """No device but the CPU is loaded before or after a test."""
    unregister_backend("cuda")
    yield
    unregister_backend("cuda")


def importing_fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    real = builtins.__import__

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "cupy":
            raise error
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(builtins, "__import__", importing)


def without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)


def with_cupy_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    banner = (
        "\n================================\nFailed to import CuPy.\n\nOriginal error: undefined symbol: foo\n====="
    )
    importing_fails(monkeypatch, ImportError(banner))


def with_a_part_of_cupy_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    importing_fails(monkeypatch, ModuleNotFoundError("No module named 'fastrlock'", name="fastrlock"))


def without_libcuda(monkeypatch: pytest.MonkeyPatch) -> None:
    importing_fails(monkeypatch, ImportError("libcuda.so.1: cannot open shared object file"))


def without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def count() -> int:
        raise CUDARuntimeError("cudaErrorInsufficientDriver: driver version is insufficient")

    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(count))


def without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(lambda: 0))


MISSING = {
    "CuPy is missing": (without_cupy, "CuPy is not installed", 'python -m pip install "tinygrad_mp[gpu]"'),
    "CuPy is broken": (with_cupy_broken, "does not import: Failed to import CuPy. Original", "pip install"),
    "a part of CuPy is missing": (with_a_part_of_cupy_missing, "No module named 'fastrlock'", "pip install"),
    "libcuda is missing": (without_libcuda, "libcuda.so.1", "nvidia-smi lists a GPU"),
    "the driver is missing": (without_driver, "cudaErrorInsufficientDriver", "NVIDIA driver"),
    "there is no GPU": (without_gpus, "no GPU is visible", "CUDA_VISIBLE_DEVICES"),
}


@pytest.mark.parametrize("case", MISSING)
def test_asking_for_cuda_says_what_is_missing_and_what_mends_it(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare, problem, fix = MISSING[case]
    prepare(monkeypatch)
    assert tg.cuda.is_available() is False
    assert tg.cuda.device_count() == 0
    with pytest.raises(DeviceError) as caught:
        tg.zeros(2, device="cuda")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("zeros: device cuda: ")
    assert problem in first
    assert rest[0].startswith("  at test_devices.py:")
    assert rest[-1].startswith("  fix: ")
    assert fix in rest[-1]


CUDA_CALLS: dict[str, Callable[[], Any]] = {
    "tensor": lambda: tg.tensor([1.0], device="cuda"),
    "as_tensor": lambda: tg.as_tensor([1.0], device="cuda:1"),
    "ones": lambda: tg.ones(2, device=tg.device("cuda")),
    "arange": lambda: tg.arange(3, device="cuda"),
    "eye": lambda: tg.eye(3, device=0),
    "zeros_like": lambda: tg.zeros_like(tg.ones(2), device="cuda"),
    "randn": lambda: tg.randn(2, device="cuda"),
    "cuda()": lambda: tg.ones(2).cuda(),
    "to": lambda: tg.ones(2).to("cuda:0"),
    "to, with a dtype": lambda: tg.ones(2).to("cuda", tg.float64),
    "Module.to": lambda: nn.Linear(2, 2).to("cuda"),
    "synchronize": lambda: tg.cuda.synchronize(),
}


@pytest.mark.parametrize("name", CUDA_CALLS)
def test_wherever_cuda_is_asked_for_the_answer_helps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_cupy(monkeypatch)
    with pytest.raises(DeviceError, match="CuPy is not installed") as caught:
        CUDA_CALLS[name]()
    assert "pip install" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)


def test_a_cupy_that_works_is_loaded_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy(lambda: 1))
    assert tg.cuda.is_available() is True
    assert tg.cuda.device_count() == 1
    x = tg.tensor([1.0, 1.0]).to("cuda")
    assert type(x.array) is FakeCudaArray
    assert (str(x.device), x.is_cuda) == ("cuda:0", True)
    assert xp(x.array) is sys.modules["cupy"]
    assert x.to("cuda") is x
    assert type(x.cpu().array) is numpy.ndarray
    tg.cuda.synchronize()
    with pytest.raises(DeviceError, match=r"device cuda:1 was asked for, CUDA devices found: 1"):
        x.to("cuda:1")


# --- names of devices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:x", "cuda:", "", "mps", 1.5, -1, True, "cpu:1"])
def test_a_device_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(DeviceError, match="unknown device") as caught:
        tg.zeros(2, device=name)
    assert '"cpu"' in str(caught.value)


def test_devices_compare_hash_and_pickle_like_their_names() -> None:
    assert tg.device("cuda:1") == tg.device("cuda", 1) == "cuda:1"
    assert tg.device("cpu") == tg.device("cpu:0") == tg.zeros(1).device == "cpu"
    assert tg.device("cuda:0") != tg.device("cuda:1")
    assert {"cpu": 1}[tg.device("cpu")] == 1
    assert repr(tg.device("cuda:1")) == "device('cuda:1')"
    assert pickle.loads(pickle.dumps(tg.device("cuda:1"))) == "cuda:1"


# --- a second device -------------------------------------------------------------------------------------------------


@pytest.fixture
def second_device() -> Iterator[str]:
    register()
    yield "strict"
    unregister_backend("strict")


def test_moving_there_and_back_keeps_values_and_lets_gradients_flow(second_device: str) -> None:
    x = tg.tensor([[1.0, -2.0], [3.0, 4.0]], requires_grad=True)
    there = x.to(second_device)
    assert type(there.array) is StrictArray
    assert str(there.device) == second_device
    assert there.to(second_device) is there
    back = (there * there).sum(dim=0).cpu()
    assert type(back.array) is numpy.ndarray
    back.sum().backward()
    assert x.grad is not None
    assert str(x.grad.device) == "cpu"
    numpy.testing.assert_array_equal(x.grad.numpy(), 2 * x.detach().numpy())


def test_a_leaf_on_a_device_gets_its_gradient_there(second_device: str) -> None:
    x = tg.ones(3, device=second_device, requires_grad=True)
    assert x.is_leaf
    (x * 3.0).cpu().sum().backward()
    assert x.grad is not None
    assert str(x.grad.device) == second_device
    assert x.grad.tolist() == [3.0, 3.0, 3.0]


def test_the_second_derivative_passes_a_move(second_device: str) -> None:
    x = tg.tensor(2.0, requires_grad=True)
    (first,) = tg.grad((x.to(second_device) ** 3).cpu(), x, create_graph=True)
    (second,) = tg.grad(first, x)
    assert (first.item(), second.item()) == (12.0, 12.0)


def test_to_changes_device_and_dtype_at_once(second_device: str) -> None:
    x = tg.ones(2)
    for moved in (x.to(second_device, tg.float64), x.to(tg.zeros(1, device=second_device, dtype="float64"))):
        assert (str(moved.device), moved.dtype) == (second_device, numpy.float64)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, y: x + y,
        lambda x, y: x @ y,
        lambda x, y: tg.where(x > 0, x, y),
        lambda x, y: tg.cat([x, y]),
        lambda x, y: x + y.array,
        lambda x, y: numpy.add(x, y),
        lambda x, y: nn.functional.linear(x, y),
    ],
)
def test_mixing_devices_names_both_operands(mix: Callable[[Any, Any], Any], second_device: str) -> None:
    x, y = tg.ones(2, 2), tg.ones(2, 2, device=second_device)
    for pair in ((x, y), (y, x)):
        with pytest.raises(DeviceError, match="different devices") as caught:
            mix(*pair)
        text = str(caught.value)
        assert "float32  cpu" in text
        assert "float32  strict" in text
        assert "fix: move one of them with .to(device)" in text


def test_numbers_belong_to_no_device(second_device: str) -> None:
    x = tg.ones(2, device=second_device)
    for result in (x + 1, 2.0 * x, x / numpy.float64(2), x > 0, numpy.int64(3) - x):
        assert str(result.device) == second_device


def test_values_leave_a_device_when_asked_only(second_device: str) -> None:
    x = tg.ones(2, device=second_device)
    for leave in (numpy.asarray, Tensor.numpy, numpy.sort):
        with pytest.raises(DeviceError, match=r"t\.cpu\(\)\.numpy\(\)"):
            leave(x)
    assert x.tolist() == [1.0, 1.0]
    assert x.cpu().numpy().tolist() == [1.0, 1.0]
    assert to_numpy(x.array).tolist() == [1.0, 1.0]


def test_numpys_functions_record_on_any_device(second_device: str) -> None:
    x = tg.ones(2, device=second_device, requires_grad=True)
    numpy.sum(numpy.exp(x)).backward()
    assert x.grad is not None
    assert str(x.grad.device) == second_device


def test_a_module_moves_with_parameters_buffers_and_gradients_and_trains_there(second_device: str) -> None:
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    model.register_buffer("scale", tg.ones(1))
    x, y = tg.randn(8, 3), tg.randn(8, 1)
    model(x).sum().backward()
    held = next(model.parameters())
    expected = model(x).detach()
    assert model.to(second_device) is model
    assert next(model.parameters()) is held
    state = [*model.parameters(), *model.buffers(), held.grad]
    assert {str(one.device) for one in state if one is not None} == {second_device}
    x, y = x.to(second_device), y.to(second_device)
    numpy.testing.assert_allclose(model(x).detach().cpu().numpy(), expected.numpy(), rtol=1e-6)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    model.to("cpu")
    assert {str(p.device) for p in model.parameters()} == {"cpu"}


def test_a_tensor_is_pickled_with_its_device(second_device: str) -> None:
    x = pickle.loads(pickle.dumps(tg.ones(2, device=second_device, requires_grad=True)))
    assert str(x.device) == second_device
    assert x.requires_grad


def test_an_array_moves_only_if_it_must(second_device: str) -> None:
    host = numpy.ones(2)
    assert array_on("cpu", host) is host
    there = array_on(second_device, host)
    assert array_on(second_device, there) is there
    assert str(device_of(there)) == second_device
    assert xp(there) is strict


def test_a_device_that_was_taken_away_is_unknown_again() -> None:
    register()
    unregister_backend("strict")
    unregister_backend("strict")
    with pytest.raises(TinygradError, match="unknown device 'strict'"):
        tg.ones(2, device="strict")


def test_a_constant_without_axes_is_made_on_another_device() -> None:
    register()
    try:
        for made in (tg.ones((), device="strict"), tg.full((), 2.0, device="strict")):
            assert made.shape == ()
            assert made.device.type == "strict"
    finally:
        unregister_backend("strict")
