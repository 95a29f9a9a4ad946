"""Random programs of tensors against an evaluator that shares no code with the engine.

The evaluator carries, beside every tensor, an array of complex numbers: the value, plus ``i * STEP`` times its
derivative along one fixed direction of the leaves. NumPy's own complex arithmetic then differentiates (the complex
step), forwards, and shares memory between views as NumPy does. Backward must agree: the gradients of the leaves, times
that direction, are the imaginary part of the result.
"""

from typing import Any

import numpy
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tinygrad_mp import autograd, enable_grad, no_grad, ops, tensor
from tinygrad_mp.errors import TapeError
from tinygrad_mp.ops.elementary import sin

STEP = 1e-100
WHOLE = (2, 3)
PARTS = [(0,), (slice(None), slice(1, 2)), (slice(1, 2),), (slice(None), 2), (Ellipsis, slice(None, None, 2))]
UNARY = [(ops.tanh, numpy.tanh), (sin, numpy.sin), (ops.neg, numpy.negative)]
BINARY = [(ops.add, numpy.add), (ops.sub, numpy.subtract), (ops.mul, numpy.multiply)]
IN_PLACE = [("add_", numpy.add), ("sub_", numpy.subtract), ("mul_", numpy.multiply)]
seeds = st.integers(0, 2**32 - 1)
pick = st.integers(0, 1000)


class Pair:
    """A tensor and its complex shadow."""

    def __init__(self, tensor: Any, shadow: Any, made_of: "list[Pair]") -> None:
        self.tensor, self.shadow, self.made_of = tensor, numpy.asarray(shadow), made_of
        self.is_detached = False  # shares values with another tensor, but no derivative: written by nobody

    @property
    def value(self) -> Any:
        """The shadow as an operand: a detached tensor sees the values of its origin without their derivatives."""
        return self.shadow.real + 0j if self.is_detached else self.shadow

    def history(self) -> "set[Pair]":
        """Itself and all pairs it was computed from."""
        found, open_ = {self}, [self]
        while open_:
            for parent in open_.pop().made_of:
                if parent not in found:
                    found.add(parent)
                    open_.append(parent)
        return found


class Programs(RuleBasedStateMachine):
    """Steps of a program; after any of them, backward must give the derivatives that the shadows have."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[Pair] = []
        self.leaves: list[Pair] = []
        self.directions: list[Any] = []
        self.expected = 0.0  # what all backward passes into .grad should have added up to
        self.freed: set[Pair] = set()
        self.writes = 0

    def choose(self, number: int) -> Pair:
        return self.pairs[-1 - number % len(self.pairs)]  # the newest first, so that programs get deep

    def keep(self, made: Any, shadow: Any, *made_of: Pair) -> Pair:
        pair = Pair(made, shadow, list(made_of))
        numpy.testing.assert_allclose(made.array, numpy.real(shadow), rtol=1e-9, atol=1e-12)
        self.pairs.append(pair)
        return pair

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        rng = numpy.random.default_rng(seed)
        for shape in (WHOLE, WHOLE, (3,), ()):
            value, direction = (numpy.asarray(rng.uniform(-1.0, 1.0, shape)) for _ in range(2))
            leaf = self.keep(tensor(value, requires_grad=True), numpy.asarray(value + 1j * STEP * direction))
            self.leaves.append(leaf)
            self.directions.append(direction)
        constant = numpy.asarray(rng.uniform(-1.0, 1.0, WHOLE))
        self.keep(tensor(constant), constant + 0j)

    # --- making tensors ---

    @rule(x=pick, which=st.sampled_from(UNARY))
    def apply_to_one(self, x: int, which: Any) -> None:
        call, shadow = which
        one = self.choose(x)
        self.keep(call(one.tensor), numpy.asarray(shadow(one.value)), one)

    @rule(x=pick, y=pick, which=st.sampled_from(BINARY))
    def apply_to_two(self, x: int, y: int, which: Any) -> None:
        call, shadow = which
        one, two = self.choose(x), self.choose(y)
        if not _fits(one.shadow.shape) or not _fits(two.shadow.shape):
            return
        made = numpy.asarray(shadow(one.value, two.value))
        if abs(made.real).max() < 1e3:
            self.keep(call(one.tensor, two.tensor), made, one, two)

    @rule(x=pick, part=st.sampled_from(PARTS))
    def look_at_a_part(self, x: int, part: Any) -> None:
        one = self.choose(x)
        if one.shadow.shape == WHOLE and not one.is_detached:
            self.keep(one.tensor[part], one.shadow[part], one)

    @rule(x=pick)
    def turn_twice(self, x: int) -> None:
        one = self.choose(x)
        if one.shadow.ndim == 2 and not one.is_detached:
            self.keep(one.tensor.transpose(0, 1).transpose(1, 0), one.shadow.T.T, one)

    @rule(x=pick)
    def reshape_into_a_row(self, x: int) -> None:
        one = self.choose(x)
        if one.shadow.shape == (3,) and not one.is_detached:
            self.keep(one.tensor.reshape(1, 3), one.shadow.reshape(1, 3), one)

    @rule(x=pick, dim=st.sampled_from([0, 1]))
    def sum_an_axis(self, x: int, dim: int) -> None:
        one = self.choose(x)
        if one.shadow.shape == WHOLE:
            self.keep(one.tensor.sum(dim, keepdim=True), one.value.sum(axis=dim, keepdims=True), one)

    @rule(x=pick)
    def detach(self, x: int) -> None:
        one = self.choose(x)
        made = self.keep(one.tensor.detach(), one.shadow, one)
        made.is_detached = True
        assert not made.tensor.requires_grad

    @rule(x=pick, y=pick)
    def compute_without_recording(self, x: int, y: int) -> None:
        one, two = self.choose(x), self.choose(y)
        if not _fits(one.shadow.shape) or not _fits(two.shadow.shape):
            return
        with no_grad():
            made = one.tensor + two.tensor
            with enable_grad():
                assert (one.tensor + 0.0).requires_grad == one.tensor.requires_grad
        assert not made.requires_grad
        self.keep(made, numpy.asarray(one.shadow.real + two.shadow.real) + 0j, one, two)

    # --- changing tensors ---

    @rule(x=pick, y=pick, which=st.sampled_from(IN_PLACE))
    def change_in_place(self, x: int, y: int, which: Any) -> None:
        name, shadow = which
        one, two = self.choose(x), self.choose(y)
        if one.is_detached or not _fits(two.shadow.shape, one.shadow.shape):
            return
        made = shadow(one.shadow, two.value)
        if abs(made.real).max() >= 1e3:
            return
        if self._is_leaf(one):
            with pytest.raises(TapeError, match="changed in place"):
                getattr(one.tensor, name)(two.tensor)
            return
        getattr(one.tensor, name)(two.tensor)
        self._written(one, made, two)

    @rule(x=pick, y=pick, part=st.sampled_from(PARTS))
    def assign_to_a_part(self, x: int, y: int, part: Any) -> None:
        one, two = self.choose(x), self.choose(y)
        if one.shadow.shape != WHOLE or one.is_detached or self._is_leaf(one):
            return
        target = one.shadow[part].shape
        if not _fits(two.shadow.shape, target):
            return
        one.tensor[part] = two.tensor
        made = one.shadow.copy()
        made[part] = two.value
        self._written(one, made, two)

    @rule(x=pick, y=pick)
    def change_without_recording(self, x: int, y: int) -> None:
        one, two = self.choose(x), self.choose(y)
        if one.is_detached or not _fits(two.shadow.shape, one.shadow.shape):
            return
        with no_grad():
            one.tensor.add_(two.tensor)
        one.shadow.real += two.shadow.real.copy()  # the derivative stays what it was
        self.writes += 1

    def _is_leaf(self, one: Pair) -> bool:
        """Whether it shows the memory of a leaf."""
        return any(numpy.shares_memory(one.shadow, leaf.shadow) for leaf in self.leaves)

    def _written(self, one: Pair, made: Any, two: Pair) -> None:
        one.shadow[...] = made
        self.writes += 1
        for pair in self.pairs:  # whoever shows this memory now depends on what was written, too
            if pair is not one and numpy.shares_memory(pair.shadow, one.shadow):
                pair.made_of = [*pair.made_of, one]
        one.made_of = [*one.made_of, two]

    # --- asking for gradients ---

    @rule(x=pick, seed=seeds, retain=st.booleans())
    def backward(self, x: int, seed: int, retain: bool) -> None:
        one = self.choose(x)
        if not one.tensor.requires_grad:
            return
        weights = numpy.random.default_rng(seed).uniform(-1.0, 1.0, one.shadow.shape)
        before = self._arrived()
        try:
            one.tensor.backward(tensor(numpy.asarray(weights)), retain_graph=retain)
        except TapeError as error:
            self._may_fail(one, error)
            assert self._arrived() == before, "a backward pass that fails leaves every .grad alone"
            return
        finally:
            if not retain:  # also one that fails has freed what it passed
                self.freed |= one.history()
        self.expected += float((weights * one.value.imag).sum() / STEP)
        self._compare(self._arrived(), self.expected)

    @rule(x=pick, create=st.booleans())
    def ask_for_gradients(self, x: int, create: bool) -> None:
        before = self._arrived()
        self._check_gradient(self.choose(x), create)
        assert self._arrived() == before, "grad() leaves every .grad alone"

    def teardown(self) -> None:
        for pair in self.pairs:
            self._check_gradient(pair, create=False)

    def _check_gradient(self, one: Pair, create: bool) -> None:
        if not one.tensor.requires_grad:
            assert one.is_detached or not one.shadow.imag.any()
            return
        weights = numpy.linspace(-1.0, 1.5, one.shadow.size).reshape(one.shadow.shape)
        leaves = [leaf.tensor for leaf in self.leaves]
        options = {"retain_graph": True, "create_graph": create, "allow_unused": True, "materialize_grads": True}
        try:
            pulled = autograd.grad(one.tensor, leaves, tensor(weights), **options)
        except TapeError as error:
            self._may_fail(one, error)
            return
        found = sum(float((g.array * v).sum()) for g, v in zip(pulled, self.directions, strict=True))
        self._compare(found, float((weights * one.value.imag).sum() / STEP))

    def _may_fail(self, one: Pair, error: TapeError) -> None:
        """Failing is right only for what was freed or overwritten, and the error says which."""
        if "second time" in str(error):
            assert one.history() & self.freed
        else:
            assert "overwrote" in str(error)
            assert self.writes

    def _arrived(self) -> float:
        pairs = zip(self.leaves, self.directions, strict=True)
        return sum(float((leaf.tensor.grad.array * v).sum()) for leaf, v in pairs if leaf.tensor.grad is not None)

    def _compare(self, found: float, right: float) -> None:
        assert abs(found - right) <= 1e-8 * (1.0 + abs(found) + abs(right)), f"{found} by backward, {right} forwards"

    @precondition(lambda self: self.leaves)
    @rule()
    def clear_gradients(self) -> None:
        for leaf in self.leaves:
            leaf.tensor.grad = None
        self.expected = 0.0

    @invariant()
    def every_tensor_has_its_value(self) -> None:
        for pair in self.pairs:
            numpy.testing.assert_allclose(pair.tensor.array, pair.shadow.real, rtol=1e-9, atol=1e-12)


def _fits(shape: tuple[int, ...], target: tuple[int, ...] = WHOLE) -> bool:
    """Whether it broadcasts to ``target``."""
    try:
        return numpy.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


TestPrograms = Programs.TestCase
TestPrograms.settings = settings(
    stateful_step_count=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    max_examples=4 * settings.default.max_examples,
)
