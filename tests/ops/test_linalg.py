"""Products of matrices: PyTorch's shapes and dtypes, BLAS underneath, errors that name the sizes."""

import numpy
import pytest

from tinygrad_mp.autograd import backward, grad
from tinygrad_mp.creation import tensor
from tinygrad_mp.errors import DTypeError, ShapeError
from tinygrad_mp.ops.contraction import einsum
from tinygrad_mp.ops.elementwise import mul
from tinygrad_mp.ops.linalg import bmm, dot, matmul, mm, mv, outer


def torch_module():
    return pytest.importorskip("torch", reason="PyTorch is the reference of these tests")


def draw(*shapes):
    rng = numpy.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


def assert_like_torch(ours, theirs, arrays):
    """Values, and gradients of first and second order through a random projection."""
    torch = torch_module()
    xs = [tensor(array, requires_grad=True) for array in arrays]
    ys = [torch.tensor(array, requires_grad=True) for array in arrays]
    out, expected = ours(*xs), theirs(*ys)
    assert out.shape == tuple(expected.shape)
    numpy.testing.assert_allclose(out.array, expected.detach().numpy(), rtol=1e-12, atol=1e-12)
    (g,) = draw(out.shape)
    # Squares, so that the second derivative is not zero.
    first = grad(mul(out, out), xs, tensor(g), create_graph=True)
    expected_first = torch.autograd.grad(expected * expected, ys, torch.tensor(g), create_graph=True)
    weights = draw(*[array.shape for array in arrays])
    second = grad(first, xs, [tensor(weight) for weight in weights])
    expected_second = torch.autograd.grad(expected_first, ys, [torch.tensor(weight) for weight in weights])
    for mine, other in zip((*first, *second), (*expected_first, *expected_second), strict=True):
        numpy.testing.assert_allclose(mine.array, other.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 4)),
        ((5, 2, 3), (3, 4)),
        ((2, 3), (5, 3, 4)),
        ((5, 2, 3), (3,)),
        ((3,), (5, 3, 2)),
        ((5, 2, 3), (5, 3, 4)),
        ((6, 1, 2, 3), (5, 3, 4)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 3)),
        ((2, 0, 3), (3, 4)),
        ((4, 2, 0), (0,)),
    ],
)
def test_matmul_is_pytorchs_to_second_order(x, y):
    assert_like_torch(matmul, lambda a, b: a @ b, draw(x, y))


def test_matmul_of_views_is_that_of_copies():
    x, y = draw((8, 6), (10, 6))
    expected = x[::2, ::-1].copy() @ y[:, ::-1].T.copy()
    numpy.testing.assert_allclose(matmul(tensor(x).array[::2, ::-1], y[:, ::-1].T), expected)


@pytest.mark.parametrize("dtype", ["int64", "int32", "float16", "float32"])
def test_matmul_keeps_the_dtype(dtype):
    x = tensor(numpy.arange(6).reshape(2, 3), dtype=dtype)
    out = matmul(x, tensor(numpy.ones(3), dtype=dtype))
    assert out.dtype == dtype
    assert out.array.tolist() == [3, 12]


def test_matmul_refuses_to_widen_silently():
    x, y = tensor(numpy.ones((2, 3), dtype="float32")), tensor(numpy.ones((3, 2)))
    for call, other in ((matmul, y), (mm, y), (matmul, tensor(numpy.ones(3)))):
        with pytest.raises(DTypeError, match="x is float32, y is float64") as caught:
            call(x, other)
        assert ".to(dtype)" in str(caught.value)


def test_inner_sizes_that_differ_are_named_with_place_and_remedy():
    x, y = tensor(numpy.ones((32, 128))), tensor(numpy.ones((64, 10)))
    with pytest.raises(ShapeError) as caught:
        matmul(x, y)
    text = str(caught.value)
    assert text.startswith("matmul: the inner sizes differ: x's last axis is 128, y's second-to-last is 64\n")
    for line in (
        "x  (32, 128)  float64  cpu",
        "y  (64, 10)   float64  cpu",
        "at test_linalg.py:",
        "fix: give x 64 columns",
    ):
        assert line in text
    with pytest.raises(ShapeError, match="transpose y"):
        matmul(x, tensor(numpy.ones((10, 128))))
    with pytest.raises(ShapeError, match="transpose x"):
        matmul(tensor(numpy.ones((64, 5))), y)
    with pytest.raises(ShapeError, match="y's only axis is 3"):
        matmul(x, tensor(numpy.ones(3)))
    with pytest.raises(ShapeError, match="batch axes"):
        matmul(tensor(numpy.ones((2, 3, 4))), tensor(numpy.ones((3, 4, 5))))
    with pytest.raises(ShapeError, match="at least one axis"):
        matmul(tensor(1.0), y)


def test_strict_products_take_exactly_their_number_of_axes():
    torch = torch_module()
    for ours, theirs, shapes in (
        (mm, torch.mm, ((2, 3), (3, 4))),
        (bmm, torch.bmm, ((5, 2, 3), (5, 3, 4))),
        (mv, torch.mv, ((2, 3), (3,))),
        (dot, torch.dot, ((3,), (3,))),
        (outer, torch.outer, ((3,), (2,))),
        (outer, torch.outer, ((0,), (2,))),
    ):
        assert_like_torch(ours, theirs, draw(*shapes))
        with pytest.raises(ShapeError, match=f"{ours.__name__}: x must have"):
            ours(tensor(numpy.ones((1, 2, 2, 2))), tensor(numpy.ones(2)))
    with pytest.raises(ShapeError, match="batch sizes differ"):
        bmm(tensor(numpy.ones((1, 2, 2))), tensor(numpy.ones((3, 2, 2))))


# --- einsum -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij->ji", [(2, 3)]),
        ("ij", [(2, 3)]),
        ("ba", [(2, 3)]),
        ("ii", [(3, 3)]),
        ("ii->i", [(3, 3)]),
        ("iij->j", [(3, 3, 2)]),
        ("iijj->ij", [(3, 3, 2, 2)]),
        ("iii", [(2, 2, 2)]),
        ("ij->", [(2, 3)]),
        ("i,i", [(3,), (3,)]),
        ("i,j->ij", [(3,), (2,)]),
        ("i,i->i", [(3,), (3,)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ij,kj->ki", [(2, 3), (4, 3)]),
        ("ij,kl->il", [(2, 3), (4, 5)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("bi,bi->b", [(4, 3), (4, 3)]),
        ("bi,bi->bi", [(4, 3), (4, 3)]),
        ("b i , b i -> ", [(4, 3), (4, 3)]),
        ("ij,j", [(2, 3), (1,)]),
        ("ij,ij->ij", [(2, 1), (1, 3)]),
        ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]),
        ("...i,i->...", [(2, 3, 4), (4,)]),
        ("...i,i->i", [(2, 3), (3,)]),
        ("i...->...", [(2, 3)]),
        ("...,...", [(2, 3), (3,)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("ijk,il,jm,kn->lmn", [(2, 3, 4), (2, 5), (3, 2), (4, 3)]),
        ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]),
        ("aB,Bc", [(2, 3), (3, 4)]),
        ("ij,jk->ik", [(0, 3), (3, 2)]),
        ("ij,jk->ik", [(2, 0), (0, 2)]),
        (",ij", [(), (2, 3)]),
    ],
)
def test_einsum_is_pytorchs_to_second_order(equation, shapes):
    torch = torch_module()
    assert_like_torch(lambda *xs: einsum(equation, *xs), lambda *xs: torch.einsum(equation, *xs), draw(*shapes))


def test_einsum_takes_lists_of_operands_and_lists_of_axes():
    x, y = (tensor(array) for array in draw((2, 3), (3, 4)))
    expected = x.array @ y.array
    numpy.testing.assert_allclose(einsum("ij,jk", [x, y]).array, expected)
    numpy.testing.assert_allclose(einsum(x, [0, 1], y, [1, 2], [2, 0]).array, expected.T)
    numpy.testing.assert_allclose(einsum(x, [..., 1], y, [1, 2]).array, expected)


def test_einsum_keeps_the_dtype():
    for dtype in ("float16", "float32", "int32", "int64"):
        x = tensor(numpy.ones((2, 3)), dtype=dtype)
        assert einsum("ij,kj->", x, x).dtype == dtype


@pytest.mark.parametrize(
    ("equation", "shapes", "words"),
    [
        ("ij,jk", [(2, 3)], "names 2 operands, but 1"),
        ("ij", [(2, 3, 4)], "'ij' names 2 axes, but operand 0 has 3"),
        ("ij->ik", [(2, 3)], "axis 'k', which no operand has"),
        ("ij->ii", [(2, 3)], "axis 'i' twice"),
        ("ij,jk", [(2, 3), (4, 5)], "axis 'j' has size 4 in operand 1, but 3 before"),
        ("ii", [(2, 3)], "sizes 2 and 3 within operand 0"),
        ("i1", [(2, 3)], "'1' in 'i1' is not a letter"),
        ("...i,...i", [(2, 3), (4, 3)], "of the Ellipsis"),
    ],
)
def test_einsum_says_what_does_not_fit(equation, shapes, words):
    with pytest.raises(ShapeError) as caught:
        einsum(equation, *map(tensor, draw(*shapes)))
    assert words in str(caught.value)
    assert f'einsum "{equation}"' in str(caught.value)


def test_einsum_refuses_to_mix_dtypes():
    with pytest.raises(DTypeError, match="float32, float64"):
        einsum("i,i", tensor([1.0]), tensor([1.0], dtype="float64"))


def test_a_matrix_product_keeps_only_what_its_gradient_needs():
    data, weight = tensor(numpy.ones((2, 3))), tensor(numpy.ones((3, 4)), requires_grad=True)
    out = matmul(data, weight)
    kept = [value for value in out.node.saved if value is not None]
    assert len(kept) == 1
    assert kept[0] is data.array
    backward(out, tensor(numpy.ones((2, 4))))
    assert weight.grad.array.tolist() == [[2.0] * 4] * 3
