"""``func`` against PyTorch: values, structures, nesting, and what is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_mp as tg
from tinygrad_mp import nn

torch = pytest.importorskip("torch", reason="compares with PyTorch")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # PyTorch's forward mode compiles

X, Y = np.array([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]]), np.array([0.2, 1.1, -0.4])


def arrays(value: Any) -> Any:
    """The same nest with arrays for tensors."""
    if isinstance(value, (tuple, list)):
        return type(value)(map(arrays, value))
    if isinstance(value, dict):
        return {key: arrays(one) for key, one in value.items()}
    return np.asarray(value.detach()) if hasattr(value, "detach") else value


def assert_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            assert_same(one, other)
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    else:
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
        assert np.shape(ours) == np.shape(theirs)


def both(program: Any, *values: Any) -> None:
    """Run ``program(of, func, *tensors)`` here and in PyTorch, and compare."""
    found = [
        arrays(program(of, of.func, *(of.tensor(value, dtype=of.float64) for value in values))) for of in (tg, torch)
    ]
    assert_same(*found)


def scalar(x: Any, y: Any) -> Any:
    return ((x**2).sin() @ y**3).sum()


def vector(x: Any, y: Any) -> Any:
    return {"product": x @ y.exp(), "parts": [x.sum(0) * y, y.sum()]}


PROGRAMS: dict[str, Any] = {
    "grad": lambda of, func, x, y: func.grad(scalar)(x, y),
    "grad of the second": lambda of, func, x, y: func.grad(scalar, argnums=1)(x, y),
    "grad of both": lambda of, func, x, y: func.grad(scalar, argnums=(1, -2))(x, y),
    "grad of a nest": lambda of, func, x, y: func.grad(lambda d: scalar(d["x"], d["y"][0]))({"x": x, "y": [y]}),
    "grad with aux": lambda of, func, x, y: func.grad(lambda x: (scalar(x, y), {"aux": x * 2}), has_aux=True)(x),
    "grad and value": lambda of, func, x, y: func.grad_and_value(scalar)(x, y),
    "grad and value with aux": lambda of, func, x, y: func.grad_and_value(
        lambda x: (scalar(x, y), (x, x + 1)), has_aux=True
    )(x),
    "vjp": lambda of, func, x, y: (
        lambda out, pull: (out, pull({"product": out["product"], "parts": [y, out["parts"][1]]}))
    )(*func.vjp(vector, x, y)),
    "jvp": lambda of, func, x, y: func.jvp(vector, (x, y), (x * 2, y - 1)),
    "jvp with aux": lambda of, func, x, y: func.jvp(lambda x: (x**2, x * 3), (x,), (x + 1,), has_aux=True),
    "jacrev": lambda of, func, x, y: func.jacrev(vector)(x, y),
    "jacrev of both": lambda of, func, x, y: func.jacrev(vector, argnums=(0, 1))(x, y),
    "jacfwd": lambda of, func, x, y: func.jacfwd(vector)(x, y),
    "jacfwd of both": lambda of, func, x, y: func.jacfwd(vector, argnums=(1, 0))(x, y),
    "jacfwd with aux": lambda of, func, x, y: func.jacfwd(lambda x: (x @ y, x * 3), has_aux=True)(x),
    "hessian": lambda of, func, x, y: func.hessian(scalar)(x, y),
    "hessian of both": lambda of, func, x, y: func.hessian(scalar, argnums=(0, 1))(x, y),
    "grad three times": lambda of, func, x, y: func.grad(func.grad(func.grad(lambda y: (y**5).sin())))(y[0]),
    "grad of a closure": lambda of, func, x, y: func.grad(
        lambda a: a * func.grad(lambda b: (a * b) ** 2)(y[1]) * a.exp()
    )(y[0]),
    "perturbation confusion": lambda of, func, x, y: func.grad(lambda a: a * func.grad(lambda b: a + b)(y[1]))(y[0]),
    "forward over reverse": lambda of, func, x, y: func.jvp(func.grad(scalar), (x, y), (x, y)),
    "reverse over forward": lambda of, func, x, y: func.grad(lambda x: func.jvp(lambda x: scalar(x, y), (x,), (x,))[1])(
        x
    ),
    "jacfwd of jacrev": lambda of, func, x, y: func.jacfwd(func.jacrev(lambda y: scalar(x, y)))(y),
    "jacrev of jacfwd": lambda of, func, x, y: func.jacrev(func.jacfwd(lambda y: scalar(x, y)))(y),
    "grad of jacrev": lambda of, func, x, y: func.grad(lambda x: func.jacrev(lambda y: x @ y**3)(y).sum())(x),
    "grad through a vjp": lambda of, func, x, y: func.grad(
        lambda y: func.vjp(lambda x: x @ y**2, x)[1](x @ y)[0].sum()
    )(y),
    "no_grad inside": lambda of, func, x, y: func.grad(lambda y: (y * no_grad_of(of, y)).sum())(y),
}


def no_grad_of(of: Any, y: Any) -> Any:
    with of.no_grad():
        return y * 2


@pytest.mark.parametrize("name", PROGRAMS)
def test_transforms_equal_torchs(name: str) -> None:
    both(PROGRAMS[name], X, Y)


@pytest.mark.parametrize("of", [tg, torch])
def test_results_are_recorded_exactly_when_something_else_needs_a_gradient(of: Any) -> None:
    plain = of.tensor([1.0, 2.0])
    leaf = of.tensor([1.0, 2.0], requires_grad=True)
    grad, vjp, jvp = of.func.grad, of.func.vjp, of.func.jvp
    assert not grad(lambda x: (x**3).sum())(plain).requires_grad
    assert grad(lambda x: (x**3).sum())(leaf).requires_grad
    closed = grad(lambda x: (x**3 * leaf).sum())(plain)
    assert closed.requires_grad
    assert of.autograd.grad(closed.sum(), leaf)[0].tolist() == [3.0, 12.0]
    with of.no_grad():
        assert not grad(lambda x: (x**3 * leaf).sum())(plain).requires_grad
    assert not vjp(lambda x: x**2, plain)[0].requires_grad
    assert vjp(lambda x: x**2, leaf)[0].requires_grad
    assert not jvp(lambda x: x**2, (plain,), (plain,))[1].requires_grad
    assert not of.func.jacrev(lambda x: x**2)(plain).requires_grad
    assert leaf.grad is None


def test_value_and_grad_has_jaxs_order() -> None:
    value, gradient = tg.func.value_and_grad(lambda x: (x**2).sum())(tg.tensor([1.0, 2.0]))
    assert value.item() == 5.0
    assert gradient.tolist() == [2.0, 4.0]
    (value, aux), gradient = tg.func.value_and_grad(lambda x: (x**2, "aux"), has_aux=True)(tg.tensor(3.0))
    assert (value.item(), aux, gradient.item()) == (9.0, "aux", 6.0)


def test_linearize_is_the_jvp_of_many_tangents() -> None:
    value, push = tg.func.linearize(lambda x: x**2, x := tg.tensor([1.0, 2.0]))
    assert value.tolist() == [1.0, 4.0]
    for tangent in (tg.ones(2), x):
        assert push(tangent).tolist() == (2 * x * tangent).tolist()


WRONG: dict[str, Any] = {
    "grad of a vector": lambda of: of.func.grad(lambda x: x * 1)(of.ones(2)),
    "grad of a number": lambda of: of.func.grad(lambda x: 3)(of.ones(2)),
    "grad with respect to a number": lambda of: of.func.grad(lambda x: x)(2.0),
    "grad with respect to integers": lambda of: of.func.grad(lambda x: x.sum())(of.ones(2, dtype=of.int64)),
    "no such argument": lambda of: of.func.grad(lambda x: x.sum(), argnums=1)(of.ones(2)),
    "one argument twice": lambda of: of.func.grad(lambda x: x.sum(), argnums=(0, 0))(of.ones(2)),
    "no aux": lambda of: of.func.grad(lambda x: x.sum(), has_aux=True)(of.ones(2)),
    "vjp of a number": lambda of: of.func.vjp(lambda x: 3, of.ones(2)),
    "cotangent of another shape": lambda of: of.func.vjp(lambda x: x * 1, of.ones(2))[1](of.ones(3)),
    "primals that are no tuple": lambda of: of.func.jvp(lambda x: x, of.ones(2), (of.ones(2),)),
    "too few tangents": lambda of: of.func.jvp(lambda x, y: x, (of.ones(2), of.ones(2)), (of.ones(2),)),
    "tangents of another shape": lambda of: of.func.jvp(lambda x: x, (of.ones(2),), (of.ones(3),)),
    "an unexpected name": lambda of: of.func.functional_call(
        of.nn.Linear(2, 1), {"weigh": of.ones(1, 2)}, of.ones(2), strict=True
    ),
    "a name twice": lambda of: of.func.functional_call(
        of.nn.Linear(2, 1), [{"weight": of.ones(1, 2)}, {"weight": of.ones(1, 2)}], of.ones(2)
    ),
    "no dict": lambda of: of.func.functional_call(of.nn.Linear(2, 1), 3, of.ones(2)),
    "no tensor": lambda of: of.func.functional_call(of.nn.Linear(2, 1), {"weight": 3}, of.ones(2)),
    "no models": lambda of: of.func.stack_module_state([]),
    "models of two kinds": lambda of: of.func.stack_module_state([of.nn.Linear(2, 1), of.nn.ReLU()]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_raises_what_torch_raises(case: str) -> None:
    with pytest.raises(Exception) as theirs:  # noqa: PT011 - whatever it is
        WRONG[case](torch)
    with pytest.raises(theirs.type) as ours:
        WRONG[case](tg)
    assert isinstance(ours.value, tg.TinygradError)


def test_functionalize_is_left_out_with_a_clear_error() -> None:
    with pytest.raises(NotImplementedError, match="functionalize"):
        tg.func.functionalize(lambda x: x)


# --- modules ----------------------------------------------------------------------------------------------------------


def model(of: Any) -> Any:
    made = of.nn.Sequential(of.nn.Linear(3, 4), of.nn.BatchNorm1d(4), of.nn.Tanh(), of.nn.Linear(4, 1)).double()
    numbers = np.random.default_rng(0)
    for parameter in made.parameters():
        parameter.data = of.tensor(numbers.standard_normal(tuple(parameter.shape)))
    return made


def test_a_module_is_called_with_other_parameters_and_has_its_own_back() -> None:
    data = np.random.default_rng(1).standard_normal((5, 3))

    def program(of: Any, func: Any, x: Any) -> Any:
        net = model(of)
        own = {name: value.detach().clone() for name, value in net.state_dict().items()}
        given = {name: value.detach() * 2 for name, value in net.named_parameters()}
        buffers = {name: value.clone() for name, value in net.named_buffers()}
        out = func.functional_call(net, (given, buffers), (x,))
        net.eval()  # in training PyTorch refuses the writes into the buffers under grad
        gradient = func.grad(lambda p: func.functional_call(net, (p, buffers), x).sum())(given)
        assert all((own[name] == value).all() for name, value in net.state_dict().items())
        return out, gradient, buffers

    both(program, data)


def test_an_error_in_the_module_puts_its_own_parameters_back() -> None:
    layer = nn.Linear(2, 1)
    weight = layer.weight
    with pytest.raises(ValueError, match=r"."):
        tg.func.functional_call(layer, {"weight": tg.ones(1, 3)}, tg.ones(2))
    assert layer.weight is weight


@pytest.mark.parametrize("tie", [True, False])
def test_tied_weights_are_exchanged_together(tie: bool) -> None:
    def program(of: Any, func: Any, x: Any) -> Any:
        net = of.nn.Sequential(of.nn.Linear(3, 3, bias=False), of.nn.Linear(3, 3, bias=False)).double()
        net[0].weight.data = of.eye(3, dtype=of.float64)
        net[1].weight = net[0].weight
        return func.functional_call(net, {"0.weight": of.eye(3, dtype=of.float64) * 2}, x, tie_weights=tie)

    both(program, X)


def test_an_ensemble_is_a_map_over_stacked_parameters() -> None:
    def program(of: Any, func: Any, x: Any) -> Any:
        nets = [model(of).eval() for _ in range(3)]
        for number, net in enumerate(nets):
            net[0].weight.data = net[0].weight.data + number
        params, buffers = func.stack_module_state(nets)
        call = lambda p, b, x: func.functional_call(nets[0], (p, b), (x,))
        stacked = func.vmap(call, in_dims=(0, 0, None))(params, buffers, x)
        stacked.sum().backward()
        return stacked, {name: value.grad for name, value in params.items()}, [net(x) for net in nets]

    both(program, X)


def test_maml_takes_gradients_through_a_step() -> None:
    def program(of: Any, func: Any, x: Any, y: Any) -> Any:
        net = of.nn.Sequential(of.nn.Linear(3, 4), of.nn.Tanh(), of.nn.Linear(4, 1)).double()
        for number, parameter in enumerate(net.parameters()):
            parameter.data = of.cos(of.arange(parameter.numel(), dtype=of.float64) + number).reshape(parameter.shape)
        params = dict(net.named_parameters())

        def loss(p: Any, x: Any, y: Any) -> Any:
            return ((func.functional_call(net, p, x).squeeze(-1) - y) ** 2).mean()

        def after_a_step(p: Any) -> Any:
            steps = func.grad(loss)(p, x, y[:2])
            return loss({name: p[name] - 0.1 * steps[name] for name in p}, x * 2, y[1:])

        by_transform = func.grad(after_a_step)({name: value.detach() for name, value in params.items()})
        by_backward = dict(zip(params, of.autograd.grad(after_a_step(params), list(params.values())), strict=True))
        return by_transform, by_backward

    both(program, X, Y)


def test_scipy_minimises_a_flattened_model() -> None:
    scipy = pytest.importorskip("scipy.optimize", reason="SciPy is optional")
    tg.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = tg.linspace(-1, 1, 20, dtype=tg.float64).reshape(-1, 1)
    y = tg.sin(3 * x)
    shapes = {name: value.shape for name, value in net.named_parameters()}
    start = nn.utils.parameters_to_vector(net.parameters()).detach().numpy()

    def loss(vector: Any) -> Any:
        parts = vector.split([int(np.prod(shape)) for shape in shapes.values()])
        params = {name: part.reshape(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        return ((tg.func.functional_call(net, params, x) - y) ** 2).mean()

    value_and_grad = tg.func.value_and_grad(loss)

    def for_scipy(vector: Any) -> tuple[float, Any]:
        value, gradient = value_and_grad(tg.from_numpy(vector))
        return value.item(), gradient.numpy()

    found = scipy.minimize(for_scipy, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    assert found.fun < 1e-3
    nn.utils.vector_to_parameters(tg.from_numpy(found.x), net.parameters())
    assert ((net(x) - y) ** 2).mean().item() == pytest.approx(found.fun)
