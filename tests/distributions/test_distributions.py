"""Distributions against PyTorch: densities, moments, divergences with their gradients; draws by their moments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import distributions

torch = pytest.importorskip("torch", reason="compares with PyTorch")

A, B = np.array([[0.5, 1.2, 2.0], [0.3, 3.0, 0.9]]), np.array([1.5, 0.7, 2.5])
P, W = np.array([[0.2, 0.5, 0.9], [0.1, 0.7, 0.4]]), np.array([[0.2, 1.5, 0.9], [2.1, 0.7, 0.4]])
REAL, POSITIVE, UNIT = np.array([0.3, -1.2, 2.0]), np.array([0.3, 1.2, 2.0]), np.array([0.3, 0.55, 0.9])
COUNTS = np.array([0.0, 1.0, 3.0])
L = np.array([[1.0, 0.0, 0.0], [0.3, 0.8, 0.0], [-0.2, 0.5, 1.4]])
SIMPLEX, CORNER = np.array([0.2, 0.5, 0.3]), np.array([0.0, 1.0, 0.0])

# name: (function of the module of distributions and of parameters, the parameters, a value)
CASES: dict[str, tuple[Any, tuple[Any, ...], Any]] = {
    "Normal": (lambda d, a, b: d.Normal(a - 1, b), (A, B), REAL),
    "LogNormal": (lambda d, a, b: d.LogNormal(a - 1, b), (A, B), POSITIVE),
    "HalfNormal": (lambda d, a: d.HalfNormal(a), (A,), POSITIVE),
    "Uniform": (lambda d, a, b: d.Uniform(a - 4, a + 4 * b), (A, B), POSITIVE),
    "Exponential": (lambda d, a: d.Exponential(a), (A,), POSITIVE),
    "Laplace": (lambda d, a, b: d.Laplace(a, b), (A, B), REAL),
    "Cauchy": (lambda d, a, b: d.Cauchy(a, b), (A, B), REAL),
    "Gumbel": (lambda d, a, b: d.Gumbel(a, b), (A, B), REAL),
    "StudentT": (lambda d, a, b: d.StudentT(a * 3, b, a), (A, B), REAL),
    "Gamma": (lambda d, a, b: d.Gamma(a, b), (A, B), POSITIVE),
    "Chi2": (lambda d, a: d.Chi2(a), (A,), POSITIVE),
    "Beta": (lambda d, a, b: d.Beta(a, b), (A, B), UNIT),
    "Dirichlet": (lambda d, a: d.Dirichlet(a), (A,), SIMPLEX),
    "Bernoulli": (lambda d, p: d.Bernoulli(p), (P,), np.array([0.0, 1.0, 1.0])),
    "Bernoulli by logits": (lambda d, p: d.Bernoulli(logits=p), (A,), np.array([0.0, 1.0, 1.0])),
    "Geometric": (lambda d, p: d.Geometric(p), (P,), COUNTS),
    "Geometric by logits": (lambda d, p: d.Geometric(logits=p), (A,), COUNTS),
    "Poisson": (lambda d, a: d.Poisson(a), (A,), COUNTS),
    "Categorical": (lambda d, w: d.Categorical(w), (W,), np.array([[2, 0], [1, 1]])),
    "Categorical by logits": (lambda d, w: d.Categorical(logits=w), (W,), np.array([[2, 0], [1, 1]])),
    "OneHotCategorical": (lambda d, w: d.OneHotCategorical(w), (W,), CORNER),
    "OneHotCategorical by logits": (lambda d, w: d.OneHotCategorical(logits=w), (W,), CORNER),
    "MultivariateNormal": (lambda d, m, tril: d.MultivariateNormal(m, scale_tril=tril), (A, L), REAL),
    "MultivariateNormal by covariance": (lambda d, m, tril: d.MultivariateNormal(m, tril @ tril.T), (B, L), A),
    "MultivariateNormal by precision": (
        lambda d, m, tril: d.MultivariateNormal(m, precision_matrix=tril @ tril.T),
        (A, L),
        REAL,
    ),
    "Independent": (lambda d, a, b: d.Independent(d.Normal(a, b), 1), (A, B), REAL),
    "RelaxedBernoulli": (lambda d, p: d.RelaxedBernoulli(d_tensor(d, 0.7), p), (P,), UNIT),
    "RelaxedOneHotCategorical": (lambda d, w: d.RelaxedOneHotCategorical(d_tensor(d, 0.7), w), (W,), SIMPLEX),
    "MixtureSameFamily": (
        lambda d, w, a, b: d.MixtureSameFamily(d.Categorical(w), d.Normal(a, b)),
        (W, A, B),
        np.array([0.3, -1.2]),
    ),
    "a mixture of vectors": (
        lambda d, w, a, b: d.MixtureSameFamily(d.Categorical(w), d.Independent(d.Normal(a, b), 1)),
        (W[0], A.repeat(2, 0)[:3], B),
        np.stack([REAL, POSITIVE]),
    ),
    "TransformedDistribution": (
        lambda d, a, b: d.TransformedDistribution(
            d.Normal(a, b), [d.TanhTransform(), d.AffineTransform(0.5, 2.0), d.SigmoidTransform()]
        ),
        (A, B),
        np.array([0.3, 0.6, 0.8]),
    ),
    "a transformed vector": (
        lambda d, a, b: d.TransformedDistribution(
            d.Independent(d.Normal(a, b), 1), [d.ExpTransform(), d.PowerTransform(d_tensor(d, 2.0))]
        ),
        (A, B),
        POSITIVE,
    ),
    "SoftplusTransform": (
        lambda d, a, b: d.TransformedDistribution(d.Normal(a, b), d.SoftplusTransform()),
        (A, B),
        POSITIVE,
    ),
}
QUANTITIES = ("mean", "variance", "stddev", "mode", "entropy", "log_prob", "cdf", "icdf")


def d_tensor(d: Any, number: float) -> Any:
    of = tg if d is distributions else torch
    return of.tensor(number, dtype=of.float64)


def tensors(of: Any, values: Any, requires_grad: bool = False) -> list[Any]:
    return [of.tensor(value, dtype=of.float64, requires_grad=requires_grad) for value in values]


def quantity(of: Any, name: str, made: Any, value: Any) -> Any:
    if name in ("log_prob", "cdf"):
        return getattr(made, name)(of.tensor(value) if value.dtype.kind == "i" else of.tensor(value, dtype=of.float64))
    if name == "icdf":
        return made.icdf(of.tensor(UNIT, dtype=of.float64))
    found = getattr(made, name)
    return found() if name == "entropy" else found


@pytest.mark.parametrize("name", QUANTITIES)
@pytest.mark.parametrize("case", CASES)
def test_numbers_and_their_gradients_equal_torchs(case: str, name: str) -> None:
    make, parameters, value = CASES[case]
    if name == "cdf" and case in ("Gamma", "Chi2"):  # PyTorch's comes without a gradient
        with pytest.raises(NotImplementedError):
            quantity(tg, name, make(distributions, *tensors(tg, parameters)), value)
        return
    found = []
    for of, module in ((torch, torch.distributions), (tg, distributions)):
        given = tensors(of, parameters, requires_grad=True)
        made = make(module, *given)
        try:
            out = quantity(of, name, made, value)
        except (NotImplementedError, AttributeError):
            found.append(None)
            continue
        gradients = []
        if out.requires_grad and np.isfinite(out.detach().numpy()).all():
            gradients = of.autograd.grad(out.sum(), given, allow_unused=True, materialize_grads=True)
        found.append((out, gradients))
    if None in found:  # what PyTorch lacks
        assert found == [None, None]
        return
    (theirs, their_gradients), (ours, our_gradients) = found
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-9)
    if name != "mode":  # PyTorch's detach some
        for our, their in zip(our_gradients, their_gradients, strict=True):
            np.testing.assert_allclose(our.numpy(), their.numpy(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("case", CASES)
def test_shapes_expansion_and_repr_equal_torchs(case: str) -> None:
    make, parameters, value = CASES[case]
    found = []
    for of, module in ((tg, distributions), (torch, torch.distributions)):
        made = make(module, *tensors(of, parameters))
        wide = made.expand((4, *made.batch_shape))
        one = value if value.ndim <= len(made.batch_shape) + len(made.event_shape) else value[0]
        given = of.tensor(one) if value.dtype.kind == "i" else of.tensor(one, dtype=of.float64)
        found.append(
            (
                type(made).__name__,
                tuple(made.batch_shape),
                tuple(made.event_shape),
                tuple(made.sample((5, 2)).shape),
                tuple(made.sample().shape),
                str(made.sample().dtype).removeprefix("torch."),
                tuple(wide.batch_shape),
                tuple(wide.sample((2,)).shape),
                np.round(wide.log_prob(given).numpy(), 9).tolist(),
            )
        )
    assert found[0] == found[1]


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("Cauchy", "StudentT", "LogNormal")])
def test_draws_have_the_moments(case: str) -> None:  # of those three they come too slowly, or never
    make, parameters, _ = CASES[case]
    tg.manual_seed(3)
    made = make(distributions, *tensors(tg, parameters))
    if case.startswith("Categorical"):
        drawn = tg.nn.functional.one_hot(made.sample((20_000,)), 3).double()
        mean, deviation = made.probs, (made.probs * (1 - made.probs)).sqrt()
    else:
        drawn = made.sample((20_000,))
        try:
            mean, deviation = made.mean, made.stddev
        except NotImplementedError:
            made.log_prob(drawn[:10])  # they lie in the support, at least
            return
    assert not drawn.requires_grad
    np.testing.assert_array_less((drawn.mean(0) - mean).abs().numpy(), 5 * deviation.numpy() / np.sqrt(20_000) + 1e-12)
    spread = drawn.std(0).numpy()
    np.testing.assert_allclose(spread, deviation.expand(spread.shape).numpy(), rtol=0.1)


@pytest.mark.parametrize("case", [case for case in CASES if "Mixture" not in case and "mixture" not in case])
def test_reparameterised_draws_pass_gradients_as_torchs_do(case: str) -> None:
    make, parameters, _ = CASES[case]
    given = tensors(tg, parameters, requires_grad=True)
    made = make(distributions, *given)
    theirs = make(torch.distributions, *tensors(torch, parameters))
    if made.has_rsample:
        assert theirs.has_rsample
        gradients = tg.autograd.grad(made.rsample((3,)).sum(), given, allow_unused=True)
        assert any(g is not None and bool((g != 0).any()) for g in gradients)
    else:
        with pytest.raises(NotImplementedError, match="sample"):
            made.rsample()


def test_a_reparameterised_normal_draw_has_the_derivative_of_its_formula() -> None:
    loc, scale = tensors(tg, (A, B), requires_grad=True)
    drawn = distributions.Normal(loc, scale).rsample((7,))
    by_loc, by_scale = tg.autograd.grad(drawn.sum(), [loc, scale])
    np.testing.assert_allclose(by_loc.numpy(), np.full(A.shape, 7.0))
    noise = (drawn - loc) / scale
    np.testing.assert_allclose(by_scale.numpy(), noise.sum((0, 1)).detach().numpy())


def test_straight_through_draws_are_one_hot_with_gradients_to_the_probabilities() -> None:
    (weights,) = tensors(tg, (W,), requires_grad=True)
    drawn = distributions.OneHotCategoricalStraightThrough(weights).rsample((4,))
    np.testing.assert_allclose(np.sort(drawn.detach().numpy(), -1)[..., -1], 1.0)
    (g,) = tg.autograd.grad((drawn * tg.tensor([1.0, 2.0, 3.0])).sum(), weights)
    assert bool((g != 0).any())


PAIRS = [
    "Normal", "LogNormal", "Uniform", "Exponential", "Laplace", "Gamma", "Beta", "Dirichlet", "Bernoulli",
    "Bernoulli by logits", "Geometric", "Poisson", "Categorical", "Categorical by logits", "OneHotCategorical",
    "MultivariateNormal", "MultivariateNormal by covariance", "MultivariateNormal by precision", "Independent",
]  # fmt: skip


@pytest.mark.parametrize("case", PAIRS)
def test_divergences_and_their_gradients_equal_torchs(case: str) -> None:
    make, parameters, _ = CASES[case]
    found = []
    for of, module in ((tg, distributions), (torch, torch.distributions)):
        first = tensors(of, parameters, requires_grad=True)
        second = tensors(of, [value * 0.8 + 0.1 * (value != 0) for value in parameters], requires_grad=True)
        out = module.kl_divergence(make(module, *first), make(module, *second))
        gradients = [np.zeros(1)]
        if np.isfinite(out.detach().numpy()).all():
            gradients = of.autograd.grad(out.sum(), [*first, *second], allow_unused=True, materialize_grads=True)
            gradients = [g.numpy() for g in gradients]
        found.append((out.detach().numpy(), *gradients))
    for ours, theirs in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9)


def test_divergences_at_the_edges_equal_torchs() -> None:
    for first, second in (([0.0, 0.5, 1.0], [0.5, 0.0, 0.3]), ([0.0, 1.0, 0.0], [1.0, 0.0, 0.0])):
        found = [
            module.kl_divergence(module.Bernoulli(of.tensor(first)), module.Bernoulli(of.tensor(second))).tolist()
            for of, module in ((tg, distributions), (torch, torch.distributions))
        ]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
        found = [
            module.kl_divergence(module.Categorical(of.tensor(first)), module.Categorical(of.tensor(second))).tolist()
            for of, module in ((tg, distributions), (torch, torch.distributions))
        ]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-5)


def test_a_registered_divergence_is_found_for_derived_classes() -> None:
    class Mine(distributions.Normal):
        pass

    class Yours(distributions.Distribution):
        pass

    @distributions.register_kl(Mine, Yours)
    def formula(p: Any, q: Any) -> str:
        return "mine"

    class Derived(Mine):
        pass

    assert distributions.kl_divergence(Derived(0.0, 1.0), Yours()) == "mine"
    assert distributions.kl_divergence(Mine(0.0, 1.0), Mine(1.0, 1.0)).item() == 0.5
    with pytest.raises(NotImplementedError, match="Yours"):
        distributions.kl_divergence(Yours(), Mine(0.0, 1.0))
    with pytest.raises(TypeError):
        distributions.register_kl(int, Mine)


def test_supports_are_enumerated_as_torchs() -> None:
    for make in (
        lambda of, d: d.Bernoulli(of.tensor(P)),
        lambda of, d: d.Categorical(of.tensor(W)),
        lambda of, d: d.OneHotCategorical(of.tensor(W)),
    ):
        for expand in (True, False):
            ours = make(tg, distributions).enumerate_support(expand)
            theirs = make(torch, torch.distributions).enumerate_support(expand)
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


WRONG: dict[str, Any] = {
    "negative scale": lambda of, d: d.Normal(0.0, -1.0),
    "NaN": lambda of, d: d.Normal(float("nan"), 1.0),
    "NaN value": lambda of, d: d.Normal(0.0, 1.0).log_prob(of.tensor(float("nan"))),
    "a number for a value": lambda of, d: d.Normal(0.0, 1.0).log_prob(0.5),
    "a text": lambda of, d: d.Normal("a", 1.0),
    "a value of another shape": lambda of, d: d.Normal(of.zeros(2), 1.0).log_prob(of.zeros(3)),
    "no probability": lambda of, d: d.Bernoulli(1.3),
    "no parameter": lambda of, d: d.Bernoulli(),
    "both parameters": lambda of, d: d.Bernoulli(0.3, logits=0.2),
    "half a coin": lambda of, d: d.Bernoulli(0.3).log_prob(of.tensor(0.5)),
    "an empty interval": lambda of, d: d.Uniform(1.0, 1.0),
    "outside of an interval": lambda of, d: d.Uniform(0.0, 1.0).log_prob(of.tensor(2.0)),
    "a negative weight": lambda of, d: d.Categorical(of.tensor([0.2, -0.3])),
    "0-d weights": lambda of, d: d.Categorical(of.tensor(0.2)),
    "no such category": lambda of, d: d.Categorical(of.ones(2)).log_prob(of.tensor(2)),
    "not one-hot": lambda of, d: d.OneHotCategorical(of.ones(3)).log_prob(of.ones(3)),
    "an indefinite covariance": lambda of, d: d.MultivariateNormal(of.zeros(2), -of.eye(2)),
    "no covariance": lambda of, d: d.MultivariateNormal(of.zeros(2)),
    "an upper factor": lambda of, d: d.MultivariateNormal(of.zeros(2), scale_tril=of.ones(2, 2)),
    "too many event axes": lambda of, d: d.Independent(d.Normal(of.zeros(2), 1.0), 2),
    "a number of draws": lambda of, d: d.Normal(0.0, 1.0).sample(3),
    "no rsample": lambda of, d: d.Bernoulli(0.3).rsample(),
    "no icdf": lambda of, d: d.Bernoulli(0.3).icdf(of.tensor(0.3)),
    "no support to enumerate": lambda of, d: d.Normal(0.0, 1.0).enumerate_support(),
    "not a simplex": lambda of, d: d.Dirichlet(of.ones(2)).log_prob(of.ones(2)),
    "no divergence": lambda of, d: d.kl_divergence(d.Uniform(0.0, 1.0), d.Independent(d.Normal(of.zeros(1), 1.0), 1)),
    "a mixture of another number": lambda of, d: d.MixtureSameFamily(
        d.Categorical(of.ones(2)), d.Normal(of.zeros(3), 1.0)
    ),
    "no transform": lambda of, d: d.TransformedDistribution(d.Normal(0.0, 1.0), [3]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_raises_what_torch_raises(case: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever it is
        WRONG[case](torch, torch.distributions)
    with pytest.raises(theirs.type):
        WRONG[case](tg, distributions)


def test_checks_can_be_left_out() -> None:
    assert distributions.Normal(0.0, -1.0, validate_args=False).scale.item() == -1.0
    distributions.Distribution.set_default_validate_args(False)
    try:
        distributions.Bernoulli(1.3)
    finally:
        distributions.Distribution.set_default_validate_args(True)


def test_a_seed_gives_the_same_draws_again() -> None:
    for case, (make, parameters, _) in CASES.items():
        draws = []
        for _ in range(2):
            tg.manual_seed(7)
            draws.append(make(distributions, *tensors(tg, parameters)).sample((3,)).tolist())
        assert draws[0] == draws[1], case


def test_float32_parameters_give_float32() -> None:
    for case, (make, parameters, value) in CASES.items():
        if case.startswith("Relaxed") or case == "a transformed vector":
            continue  # their temperature is float64
        made = make(distributions, *[tg.tensor(one, dtype=tg.float32) for one in parameters])
        given = tg.tensor(value) if value.dtype.kind == "i" else tg.tensor(value, dtype=tg.float32)
        assert made.log_prob(given).dtype == tg.float32, case


def test_reinforce_and_a_vae_train() -> None:
    tg.manual_seed(0)
    logits = tg.zeros(3, requires_grad=True)
    for _ in range(100):
        policy = distributions.Categorical(logits=logits)
        action = policy.sample((32,))
        loss = -(policy.log_prob(action) * (action == 2)).mean()
        (g,) = tg.autograd.grad(loss, logits)
        logits = (logits - 0.5 * g).detach().requires_grad_()
    assert distributions.Categorical(logits=logits).probs[2].item() > 0.8
    loc, scale = tg.zeros(2, requires_grad=True), tg.ones(2, requires_grad=True)
    for _ in range(200):
        posterior = distributions.Normal(loc, scale)
        loss = ((posterior.rsample((16,)) - 3) ** 2).mean() + 0.01 * distributions.kl_divergence(
            posterior, distributions.Normal(0.0, 1.0)
        ).sum()
        by_loc, by_scale = tg.autograd.grad(loss, [loc, scale])
        loc, scale = ((x - 0.05 * g).detach().requires_grad_() for x, g in ((loc, by_loc), (scale, by_scale)))
    assert abs(loc.mean().item() - 3) < 0.2
