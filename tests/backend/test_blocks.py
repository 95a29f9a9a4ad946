"""Elementwise work in blocks gives what the same work gives in one go, and every rule holds there too."""

import operator
import tracemalloc

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import calls
from tinygrad_mp.backend import blocks, threads
from tinygrad_mp.backend.blocks import blockwise
from tinygrad_mp.registry import REGISTRY, for_large_arrays
from tinygrad_mp.testing import check_primitive

ELEMENTWISE = sorted(name for name, op in REGISTRY.items() if op.elementwise)


@pytest.fixture
def tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array is large, a block is 4 entries, and any work is worth a thread."""
    monkeypatch.setattr(calls, "LARGE", 1)
    monkeypatch.setattr(blocks, "LARGE", 1)
    monkeypatch.setattr(blocks, "BLOCK", 4)
    monkeypatch.setattr(threads, "WORTH_SPLITTING", 1)
    monkeypatch.setattr(threads._pool, "count", 3)


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_elementwise_primitive_passes_all_checks_in_blocks(name: str) -> None:
    check_primitive(REGISTRY[name], examples=12)


@pytest.mark.usefixtures("tiny_blocks")
def test_tensors_do_go_through_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    large = for_large_arrays(REGISTRY["tanh"])
    forward = large.forward
    monkeypatch.setattr(large, "forward", lambda x: (seen.append(x.size), forward(x))[1])
    monkeypatch.setattr(large, "call", REGISTRY["tanh"].call)  # made anew, with the forward pass that is watched
    x = tg.ones(10, requires_grad=True)
    x.tanh().sum().backward()
    assert seen == [10]


def by_scalar(x):
    return 2 * x - 1


def squares(x, y):
    return x * x + y * y


LAYOUTS = {
    "C": lambda shape: numpy.arange(numpy.prod(shape), dtype="float32").reshape(shape),
    "batch innermost": lambda shape: numpy.moveaxis(LAYOUTS["C"]((*shape[1:], shape[0])), -1, 0),
    "every second": lambda shape: LAYOUTS["C"]((*shape[:-1], 2 * shape[-1]))[..., ::2],
    "repeated": lambda shape: numpy.broadcast_to(numpy.float32(3), shape),
    "backwards": lambda shape: LAYOUTS["C"](shape)[::-1],
}


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("second", LAYOUTS)
@pytest.mark.parametrize("first", LAYOUTS)
@pytest.mark.parametrize("function", [operator.add, operator.gt, squares])
def test_any_two_layouts(function, first, second) -> None:
    x, y = LAYOUTS[first]((3, 2, 5)), LAYOUTS[second]((3, 2, 5))
    found, expected = blockwise(function)(x, y), function(x, y)
    numpy.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("shape", [(3, 2, 5), (20, 2, 3, 4)])
def test_with_the_batch_innermost_in_one_operand_it_is_so_in_the_result(shape) -> None:
    x, y = LAYOUTS["C"](shape), LAYOUTS["batch innermost"](shape)
    for operands in ((x, y), (y, x)):
        for function in (operator.sub, squares):
            found = blockwise(function)(*operands)
            numpy.testing.assert_array_equal(found, function(*operands))
            assert numpy.moveaxis(found, 0, -1).flags.c_contiguous
            assert found.base is None


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("function", [numpy.exp, numpy.isnan, operator.neg, by_scalar])
def test_one_operand(function, layout) -> None:
    x = LAYOUTS[layout]((3, 2, 5))
    found, expected = blockwise(function)(x), function(x)
    numpy.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


@pytest.mark.usefixtures("tiny_blocks")
@pytest.mark.parametrize(
    "other", [2, 2.0, numpy.float32(2), numpy.array(2.0, "float32"), numpy.ones((1, 5), "float32")]
)
def test_numbers_and_operands_that_broadcast(other) -> None:
    x = LAYOUTS["C"]((3, 5))
    for operands in ((x, other), (other, x)):
        found = blockwise(operator.mul)(*operands)
        numpy.testing.assert_array_equal(found, operator.mul(*operands))
        assert found.dtype == "float32"


@pytest.mark.usefixtures("tiny_blocks")
def test_nothing_at_all_and_tensors_are_handed_on() -> None:
    assert blockwise(operator.neg)(numpy.zeros((0, 3))).shape == (0, 3)
    assert isinstance(blockwise(operator.neg)(tg.ones(9)), tg.Tensor)


def test_a_rule_of_several_passes_leaves_no_large_temporaries() -> None:
    """Two intermediate arrays of tanh's rule stay in the cache."""
    out, g = (numpy.ones(4_000_000, "float32") for _ in range(2))
    rule = REGISTRY["tanh"].rules[0][1]  # type: ignore[index]
    peaks = []
    for function in (rule, blockwise(rule)):
        tracemalloc.start()
        function(g, out)
        peaks.append(tracemalloc.get_traced_memory()[1] / out.nbytes)
        tracemalloc.stop()
    assert peaks[0] >= 2
    assert peaks[1] < 1.2


def used_twice(x):
    y = x.tanh()
    return (y * y + y.exp() * x).sum()


def chain(x):
    return ((x * 2.0).tanh() * x.detach()).exp().sum()


def with_its_negative(x):
    return (x - x.exp() - x).tanh().sum()


def broadcast(x):
    return (x.exp() * x[0].tanh()).sum()


def kept_on_the_way(x):
    y = x.exp()
    y.retain_grad()
    z = (y.tanh() * 3.0).sum()
    z.backward(retain_graph=True)
    assert y.grad is not None
    numpy.testing.assert_allclose(y.grad.numpy(), 3 / numpy.cosh(y.detach().numpy()) ** 2, rtol=1e-12)
    return z + y.grad.sum()


@pytest.mark.parametrize("program", [used_twice, chain, with_its_negative, broadcast, kept_on_the_way])
def test_memory_of_cotangents_is_reused_only_where_nobody_else_needs_it(program, request) -> None:
    values = numpy.random.default_rng(0).uniform(-1, 1, (4, 6))
    gradients = []
    for tiny in (False, True):
        if tiny:
            request.getfixturevalue("tiny_blocks")
        x = tg.tensor(values, requires_grad=True)
        result = program(x)
        x.grad = None
        result.backward(retain_graph=True)
        once = x.grad.numpy().copy()  # type: ignore[union-attr]
        result.backward()
        numpy.testing.assert_allclose(x.grad.numpy(), 2 * once, rtol=1e-12)  # type: ignore[union-attr]
        gradients.append(once)
    numpy.testing.assert_allclose(*gradients, rtol=1e-12)


def test_a_gradient_that_the_user_gives_is_left_alone(tiny_blocks) -> None:
    x = tg.ones(10, requires_grad=True)
    given = tg.full((10,), 2.0)
    x.tanh().exp().backward(given)
    assert given.tolist() == [2.0] * 10


def test_backward_along_large_arrays_takes_one_cotangent_at_a_time() -> None:
    x = tg.ones(1_000_000, requires_grad=True)
    y = (x * 2.0).tanh().exp().tanh().sum()
    tracemalloc.start()
    y.backward()
    peak = tracemalloc.get_traced_memory()[1] / x.array.nbytes
    tracemalloc.stop()
    assert peak < 1.5
