"""Hooks around forward, backward, saving and loading fire when PyTorch's do, and see what PyTorch's see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn
from tinygrad_mp.errors import TinygradError


def seen(value: Any) -> Any:
    """Nested tuples of numbers, for comparison."""
    if isinstance(value, tuple):
        return tuple(seen(one) for one in value)
    return None if value is None else np.round(value.detach().numpy(), 9).tolist()


def both(parity: Any, program: Any) -> None:
    """``program(library, nn)`` gives the same with ours and with PyTorch."""
    assert program(tg, nn) == program(parity.torch, parity.torch.nn)


def test_backward_hooks_see_and_replace_gradients_as_in_pytorch(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        class Two(nn.Module):
            def forward(self, x: Any, k: Any, y: Any) -> Any:
                return x * k, x * y

        log: list[Any] = []
        module = Two()
        pre = module.register_full_backward_pre_hook(
            lambda m, out: log.append(("pre", seen(out))) or (out[0] * 2, out[1])
        )
        module.register_full_backward_hook(lambda m, into, out: log.append(("first", seen(into), seen(out))))
        last = module.register_full_backward_hook(lambda m, into, out: (into[0] + 100, None, into[2]), prepend=True)
        for _ in range(2):
            x = t.tensor([1.0, 2.0], requires_grad=True)
            y = t.tensor([3.0, 5.0], requires_grad=True)
            a, b = module(x, 7.0, y)
            (a + b * b).sum().backward()
            log.append((seen(x.grad), seen(y.grad)))
            pre.remove()
            last.remove()
        return log

    both(parity, program)


def test_an_output_that_is_not_used_has_no_gradient_for_hooks(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        class Two(nn.Module):
            def forward(self, x: Any, y: Any) -> Any:
                return x * 2, y * 3

        log: list[Any] = []
        module = Two()
        module.register_full_backward_hook(lambda m, into, out: log.append((seen(into), seen(out))))
        x, y = t.tensor([1.0], requires_grad=True), t.tensor([1.0])
        module(x, y)[0].sum().backward()
        return log

    both(parity, program)


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_a_first_layer_without_input_gradients_still_calls_its_hooks(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        log: list[Any] = []
        layer = nn.Linear(2, 1)
        layer.register_full_backward_hook(lambda m, into, out: log.append((seen(into), seen(out))))
        layer(t.ones(3, 2)).sum().backward()
        return log, seen(layer.bias.grad)

    both(parity, program)


def test_hooks_stay_out_of_the_way_without_gradients_and_of_second_derivatives(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        log: list[Any] = []
        layer = nn.Softplus()
        layer.register_full_backward_hook(lambda m, into, out: log.append(seen(into)))
        with t.no_grad():
            layer(t.tensor([1.0], requires_grad=True))
        x = t.tensor([1.0], requires_grad=True)
        autograd = t if t is tg else t.autograd
        (first,) = autograd.grad(layer(x), [x], create_graph=True)
        (second,) = autograd.grad(first, [x])
        return log, seen(first), seen(second)

    both(parity, program)


def test_a_changed_copy_behind_a_hook_leaves_the_input_alone() -> None:
    layer = nn.ReLU(inplace=True)
    layer.register_full_backward_hook(lambda m, into, out: None)
    x = tg.tensor([-1.0, 2.0], requires_grad=True)
    y = x * 1
    layer(y).sum().backward()
    assert y.tolist() == [-1.0, 2.0]
    assert x.grad.tolist() == [0.0, 1.0]


def test_hooks_on_backward_that_return_nonsense_are_told() -> None:
    layer = nn.ReLU()
    handle = layer.register_full_backward_hook(lambda m, into, out: (None, None))
    with pytest.raises(RuntimeError, match="returned 2 gradients for grad_input, which has 1"):
        layer(tg.ones(2, requires_grad=True)).sum().backward()
    handle.remove()
    layer.register_full_backward_pre_hook(lambda m, out: ())
    with pytest.raises(RuntimeError, match="returned 0 gradients for grad_output"):
        layer(tg.ones(2, requires_grad=True)).sum().backward()


def test_a_forward_hook_can_ask_to_be_called_though_forward_fails() -> None:
    class Fails(nn.Module):
        def forward(self, x: Any) -> Any:
            raise KeyError("broken")

    module, log = Fails(), []
    module.register_forward_hook(lambda m, args, output: log.append(output), always_call=True)
    module.register_forward_hook(lambda m, args, output: log.append("not called"))
    with pytest.raises(KeyError, match="broken"):
        module(1)
    assert log == [None]
    module.register_forward_hook(lambda m, args, output: 1 / 0, always_call=True)
    with pytest.raises(KeyError), pytest.warns(UserWarning, match="ZeroDivisionError"):
        module(1)


# --- saving and loading -----------------------------------------------------------------------------------------------


def test_state_hooks_fire_as_in_pytorch(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        log: list[Any] = []
        net = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1, bias=False))
        net[0].register_state_dict_pre_hook(lambda m, prefix, keep_vars: log.append((prefix, keep_vars)))
        net[1].register_state_dict_post_hook(lambda m, state, prefix, meta: log.append((prefix, list(state))))
        state = net.state_dict()
        net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.pop("0.bias") and None)
        log.append(list(net.state_dict()))

        def rename(m: Any, state: Any, prefix: str, meta: Any, strict: bool, *lists: Any) -> None:
            state[prefix + "bias"] = state.pop(prefix + "offset")

        net[0].register_load_state_dict_pre_hook(rename)
        net.register_load_state_dict_post_hook(lambda m, keys: log.append((keys.missing_keys, keys.unexpected_keys)))
        state["0.offset"] = state.pop("0.bias") * 0 + 9
        log.append(tuple(net.load_state_dict(state)))
        net.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
        del state["1.weight"]
        log.append(tuple(net.load_state_dict(state)))
        return log, seen(net[0].bias), list(state)

    both(parity, program)


def test_extra_state_goes_along() -> None:
    class Counter(nn.Linear):
        count = 3

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    source, target = Counter(1, 1), Counter(1, 1)
    source.count = 8
    assert list(source.state_dict()) == ["weight", "bias", "_extra_state"]
    target.load_state_dict(source.state_dict())
    assert target.count == 8
    state = source.state_dict()
    del state["_extra_state"]
    with pytest.raises(TinygradError, match="_extra_state: missing"):
        target.load_state_dict(state)


def test_a_rejection_by_a_hook_restores_what_was_loaded() -> None:
    target = nn.Linear(2, 1)
    before = target.weight.detach().numpy().copy()
    target.register_load_state_dict_post_hook(lambda module, keys: keys.unexpected_keys.append("something"))
    with pytest.raises(TinygradError, match="something"):
        target.load_state_dict(nn.Linear(2, 1).state_dict())
    assert (target.weight.detach().numpy() == before).all()


def test_an_overridden_load_may_change_the_state_first() -> None:
    class Renamed(nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
            state_dict[prefix + "weight"] = state_dict.pop(prefix + "kernel")
            super()._load_from_state_dict(state_dict, prefix, *rest)

    state = nn.Sequential(nn.Linear(2, 1)).state_dict()
    state["0.kernel"] = state.pop("0.weight") * 0 + 5
    net = nn.Sequential(Renamed(2, 1))
    net.load_state_dict(state)
    assert net[0].weight.tolist() == [[5.0, 5.0]]
    assert "0.kernel" in state


def test_loading_can_take_the_tensors_themselves() -> None:
    state = {"weight": tg.zeros(1, 2, dtype="float64"), "bias": nn.Parameter(tg.ones(1, dtype="float64"))}
    target = nn.Linear(2, 1)
    target.weight.requires_grad_(False)
    target.load_state_dict(state, assign=True)
    assert target.weight.array is state["weight"].array
    assert target.bias is state["bias"]
    assert not target.weight.requires_grad
    assert isinstance(target.weight, nn.Parameter)


def test_pytorchs_tensors_and_arrays_are_taken(parity: Any) -> None:
    theirs, ours = parity.torch.nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with parity.torch.no_grad():
        theirs.weight.fill_(0.5)
        theirs.num_batches_tracked.fill_(4)
    ours.load_state_dict(theirs.state_dict())
    assert ours.weight.tolist() == [0.5] * 3
    assert ours.num_batches_tracked.item() == 4
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    ours.num_batches_tracked = tg.tensor(0)
    ours.load_state_dict({**theirs.state_dict(), "num_batches_tracked": parity.torch.tensor([6])})
    assert ours.num_batches_tracked.item() == 6


# --- finding and placing ----------------------------------------------------------------------------------------------


def test_parameters_buffers_and_modules_are_found_and_placed_by_path() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 2)))
    assert net.get_parameter("1.0.weight") is net[1][0].weight
    assert net.get_buffer("0.running_mean") is net[0].running_mean
    for call in (
        lambda: net.get_parameter("1.0.weights"),
        lambda: net.get_parameter("0.running_mean"),
        lambda: net.get_buffer("0.weight"),
        lambda: net.get_buffer("2.weight"),
        lambda: net.set_submodule("1.7", nn.ReLU(), strict=True),
    ):
        with pytest.raises(AttributeError):
            call()
    relu = nn.ReLU()
    net.set_submodule("1.0", relu)
    assert net[1][0] is relu
    with pytest.raises(ValueError, match="empty"):
        net.set_submodule("", relu)


def test_a_buffer_is_registered_when_assigned() -> None:
    module = nn.Module()
    module.kept = nn.Buffer(tg.zeros(2))
    module.scratch = nn.Buffer(tg.zeros(2), persistent=False)
    assert [name for name, _ in module.named_buffers()] == ["kept", "scratch"]
    assert list(module.state_dict()) == ["kept"]
    assert module.double().kept.dtype == "float64"
    assert list(module.state_dict()) == ["kept"]


def test_a_module_takes_pytorchs_inert_calls() -> None:
    net = nn.Linear(2, 2)
    assert net.share_memory() is net
    net.compile(mode="default")
    assert net.type("float64").weight.dtype == "float64"
    assert net.to_empty(device="cpu") is net
    assert net.to("cpu", non_blocking=True, memory_format=None) is net
    with pytest.raises(TypeError, match="unexpected keyword"):
        net.to(devise="cpu")


def test_what_has_no_shape_yet_says_so_and_gets_one() -> None:
    module = nn.Module()
    module.weight = nn.UninitializedParameter()
    module.register_buffer("mean", nn.UninitializedBuffer())
    module.double()
    for use in (lambda: module.weight.shape, lambda: module.weight + 1, lambda: module.mean.sum()):
        with pytest.raises(ValueError, match="without a shape"):
            use()
    assert repr(module.weight) == "<UninitializedParameter>"
    weight = module.weight
    weight.materialize((2, 3))
    module.mean.materialize((3,))
    assert type(weight) is nn.Parameter
    assert type(module.mean) is tg.Tensor
    assert weight.dtype == module.mean.dtype == "float64"
    (nn.init.ones_(weight) * 2).sum().backward()
    assert weight.grad.tolist() == [[2.0] * 3] * 2
    other = nn.Module()
    other.weight, other.mean = nn.UninitializedParameter(), None
    other.load_state_dict({"weight": tg.ones(4)}, strict=False)
    assert other.weight.tolist() == [1.0] * 4


def test_hooks_on_all_modules_come_before_those_of_one_as_in_pytorch(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        log: list[Any] = []
        everywhere = nn.modules.module
        x = t.tensor([-1.0, 2.0], dtype=t.float64, requires_grad=True)
        net = nn.Sequential(nn.ReLU(), nn.Tanh())
        own = [
            net[0].register_forward_pre_hook(lambda m, args: log.append("own pre")),
            net[0].register_forward_hook(lambda m, args, out: log.append("own")),
            net[0].register_full_backward_hook(lambda m, into, out: log.append("own backward")),
        ]
        hooks = [
            everywhere.register_module_forward_pre_hook(lambda m, args: (args[0] * 2,)),
            everywhere.register_module_forward_pre_hook(lambda m, args: log.append(type(m).__name__)),
            everywhere.register_module_forward_hook(lambda m, args, out: log.append(seen(out))),
            everywhere.register_module_forward_hook(lambda m, args, kwargs, out: out + 1, with_kwargs=True),
            everywhere.register_module_full_backward_pre_hook(lambda m, out: log.append(("pre", seen(out)))),
            everywhere.register_module_full_backward_hook(lambda m, into, out: log.append((seen(into), seen(out)))),
        ]
        net(x).sum().backward()
        for hook in (*hooks, *own):
            hook.remove()
        length = len(log)
        log.append(seen(net(x)))
        return log, length, seen(x.grad)

    both(parity, program)


def test_an_always_called_hook_on_all_modules_is_called_after_an_error() -> None:
    calls: list[Any] = []
    hook = nn.modules.module.register_module_forward_hook(lambda m, args, out: calls.append(out), always_call=True)
    with hook, pytest.raises(tg.ShapeError):
        nn.Linear(2, 2)(tg.ones(3))
    assert calls == [None]


def test_a_state_says_the_versions_of_its_modules_and_loading_shows_them(parity: Any) -> None:
    def program(t: Any, nn: Any) -> Any:
        versions = []

        class Old(nn.Linear):
            _version = 3

            def _load_from_state_dict(self, state: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
                versions.append((prefix, local_metadata.get("version")))
                super()._load_from_state_dict(state, prefix, local_metadata, *rest)

        net = nn.Sequential(Old(2, 2), nn.Sequential(nn.BatchNorm1d(2)))
        state = net.state_dict()
        net.load_state_dict(state)
        net.load_state_dict(dict(state))
        return versions, {path: dict(entry) for path, entry in state._metadata.items()}

    both(parity, program)


def test_a_state_with_versions_is_saved_and_loaded(tmp_path: Any) -> None:
    net = nn.Sequential(nn.BatchNorm1d(2))
    tg.save(net.state_dict(), tmp_path / "state")
    nn.Sequential(nn.BatchNorm1d(2)).load_state_dict(tg.load(tmp_path / "state"))
