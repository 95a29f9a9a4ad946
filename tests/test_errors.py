"""An error says what does not fit, with which operands, where in the user's code, and what to do about it."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from weakref import ref

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp import errors, nn, optim
from tinygrad_mp.errors import (
    DTypeError,
    IndexRangeError,
    ShapeError,
    TapeError,
    TinygradError,
)
from tinygrad_mp.nn import functional as F
from tinygrad_mp.scene import describe, user_location

# --- the mistakes that a stranger makes ------------------------------------------------------------------------------


def gradient_of_integers() -> None:
    tg.tensor([1, 2], requires_grad=True)


def second_backward() -> None:
    x = tg.ones(3, requires_grad=True)
    loss = (x * x).sum()
    loss.backward()
    loss.backward()


def backward_on_many() -> None:
    x = tg.ones(3, requires_grad=True)
    y = x * 2
    y.backward()


def backward_without_tape() -> None:
    tg.ones(3).sum().backward()


def shapes_mixed() -> None:
    bias = tg.ones(4)
    tg.ones(2, 3) + bias


def overwritten_value() -> None:
    x = tg.ones(3, requires_grad=True)
    y = x * 2
    loss = (y * y).sum()
    y += 1
    loss.backward()


def leaf_changed_in_place() -> None:
    weight = tg.ones(3, requires_grad=True)
    weight += 1


def matmul_of_two_dtypes() -> None:
    x, w = tg.ones(2, 3), tg.ones(3, 4, dtype="float64")
    x @ w


def matmul_of_wrong_sizes() -> None:
    x, w = tg.ones(32, 128), tg.ones(64, 10)
    x @ (w * 2)


def index_out_of_range() -> None:
    x = tg.ones(3)
    x[3]


def array_index_out_of_range() -> None:
    x = tg.ones(3, 4)
    x[tg.tensor([0, -4])]


def label_out_of_range() -> None:
    logits = tg.zeros(2, 10, requires_grad=True)
    F.cross_entropy(logits, tg.tensor([3, 10]))


def unknown_dtype() -> None:
    tg.zeros(3, dtype="float33")


def dtype_of_another_world() -> None:
    tg.tensor(["a", "b"])


def axis_out_of_range() -> None:
    x = tg.ones(2, 3)
    x.sum(dim=2)


def reshape_to_another_size() -> None:
    tg.ones(2, 3).reshape(4, 2)


def list_as_operand() -> None:
    numbers = [1.0, 2.0]
    tg.ones(2) + numbers


def number_in_a_matrix_product() -> None:
    tg.ones(2, 2) @ 2.0


def list_instead_of_tensor() -> None:
    tg.exp([1.0, 2.0])


def float_written_into_integers() -> None:
    counts = tg.tensor([1, 2])
    counts += 0.5


def truth_of_many() -> None:
    if tg.ones(2) > 0:
        pass


MISTAKES: dict[Callable[[], None], tuple[type[TinygradError], type[Exception], str, str]] = {
    # mistake: (our class, the built-in class it also is, in the first line, in the fix)
    gradient_of_integers: (DTypeError, TypeError, "floating dtypes can require gradients", "x.float()"),
    second_backward: (TapeError, RuntimeError, "backward a second time through sum", "retain_graph=True"),
    backward_on_many: (ShapeError, ValueError, r"backward on a tensor of shape \(3,\)", r"loss.sum\(\).backward\(\)"),
    backward_without_tape: (TapeError, RuntimeError, "does not require a gradient", "requires_grad=True"),
    shapes_mixed: (ShapeError, ValueError, "add: .*axis -1 has sizes 3 and 4", "reshape or unsqueeze"),
    overwritten_value: (TapeError, RuntimeError, "backward of mul needs its input", r"x.clone\(\)"),
    leaf_changed_in_place: (TapeError, RuntimeError, "add_: a leaf that requires a gradient", r"no_grad\(\)"),
    matmul_of_two_dtypes: (DTypeError, TypeError, "matmul: .*float32.*float64", r"\.to\(dtype\)"),
    matmul_of_wrong_sizes: (ShapeError, ValueError, "matmul: the inner sizes differ", "64 columns"),
    index_out_of_range: (IndexRangeError, IndexError, "index 3 is out of (bounds|range)", "-n to n - 1"),
    array_index_out_of_range: (IndexRangeError, IndexError, "index -4 .*out of range", "-3 to 2"),
    label_out_of_range: (IndexRangeError, IndexError, "10", "0 to 9"),
    unknown_dtype: (DTypeError, TypeError, "unknown dtype 'float33'", "float32"),
    dtype_of_another_world: (DTypeError, TypeError, "a str is not a number", ""),
    axis_out_of_range: (IndexRangeError, IndexError, "sum: dim 2 is out of range", "-2 to 1"),
    reshape_to_another_size: (ShapeError, ValueError, r"reshape: .*\(4, 2\)", "-1"),
    list_as_operand: (DTypeError, TypeError, "add: list is neither", r"tensor\(data\)"),
    number_in_a_matrix_product: (DTypeError, TypeError, "matmul: ", "multiply by a number"),
    list_instead_of_tensor: (DTypeError, TypeError, "exp: list is no tensor", r"tensor\(data\)"),
    float_written_into_integers: (DTypeError, TypeError, "add_: .*float32.*int64", r"x.float\(\)"),
    truth_of_many: (ShapeError, ValueError, "ambiguous", r"\.any\(\)"),
}
OPERAND = re.compile(r"^  \S.*  \(.*\) +\w+ +(cpu|strict)$")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_a_mistake_is_explained_in_the_house_form(mistake: Callable[[], None]) -> None:
    kind, builtin, first, fix = MISTAKES[mistake]
    with pytest.raises(builtin) as caught:
        mistake()
    assert type(caught.value) is kind
    assert isinstance(caught.value, RuntimeError)
    lines = str(caught.value).splitlines()
    assert re.search(first, lines[0])
    place = next(line for line in lines if line.startswith("  at "))
    assert re.fullmatch(rf"  at test_errors\.py:\d+, in {mistake.__name__}", place)
    last_line_of_code = mistake.__code__.co_firstlineno < int(place.split(":")[1].split(",")[0])
    assert last_line_of_code
    if fix:
        assert lines[-1].startswith("  fix: ")
        assert re.search(fix, lines[-1])


WITHOUT_OPERANDS = {gradient_of_integers, unknown_dtype, dtype_of_another_world, list_instead_of_tensor}


@pytest.mark.parametrize("mistake", [m for m in MISTAKES if m not in WITHOUT_OPERANDS], ids=lambda m: m.__name__)
def test_the_operands_stand_in_a_table(mistake: Callable[[], None]) -> None:
    with pytest.raises(TinygradError) as caught:
        mistake()
    assert [line for line in str(caught.value).splitlines() if OPERAND.match(line)]


def test_the_table_shows_what_the_user_wrote() -> None:
    with pytest.raises(ShapeError) as caught:
        matmul_of_wrong_sizes()
    assert str(caught.value).splitlines()[1:3] == [
        "  x         (32, 128)  float32  cpu",
        "  y  w * 2  (64, 10)   float32  cpu",
    ]


def test_what_the_user_wrote_is_found_in_calls_and_statements_too() -> None:
    a, b = tg.ones(2), tg.ones(3)

    def rows(call: Callable[[], Any]) -> list[str]:
        with pytest.raises(TinygradError) as caught:
            call()
        return [line.split("  ")[2] for line in str(caught.value).splitlines() if OPERAND.match(line)]

    def in_place() -> None:
        nonlocal a
        a -= b

    assert rows(lambda: tg.add(a, b * 2)) == ["a", "b * 2"]
    assert rows(lambda: tg.mul(a.detach(), b)) == ["a.detach()", "b"]
    assert rows(lambda: a.exp().add(b)) == ["a.exp()", "b"]
    assert rows(lambda: a < (b + 1)) == ["a", "b + 1"]
    assert rows(in_place)[0] == "a"
    assert rows(lambda: b.reshape(7)) == ["b"]
    assert rows(
        lambda: tg.add(
            a,
            b,
        )
    ) == ["a", "b"]
    assert rows(lambda: tg.cat([a.reshape(1, 2), b.reshape(1, 3)])) == ["a.reshape(1, 2)", "b.reshape(1, 3)"]
    pair = (a, b)
    assert rows(lambda: tg.add(*pair)) == ["(2,)", "(3,)"]  # nothing to show: straight to the shapes


# --- where it happened -----------------------------------------------------------------------------------------------


class Net(nn.Module):
    def __init__(self, inner: int = 12) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(inner, 4))

    def forward(self, x: Any) -> Any:
        return self.body(x)


class Broken(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + tg.ones(7)


@pytest.mark.parametrize(
    ("model", "layer"),
    [
        (nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(12, 4)), "Sequential.2"),
        (Net(), "Net.body.2"),
        (nn.Sequential(nn.Sequential(Net())), "Sequential.0.0.body.2"),
        (nn.Linear(12, 4), "Linear"),
        (nn.Sequential(nn.Identity(), Broken()), "Sequential.1"),
    ],
    ids=["Sequential", "user's module", "nested", "alone", "user's forward"],
)
def test_inside_a_layer_the_layer_is_named(model: nn.Module, layer: str) -> None:
    with pytest.raises(ShapeError) as caught:
        model(tg.ones(2, 8))
    where = next(line for line in str(caught.value).splitlines() if line.startswith("  at "))
    assert re.fullmatch(rf"  at test_errors\.py:\d+, in \w+; layer: {re.escape(layer)}", where)


def test_a_loss_names_itself_and_its_layer() -> None:
    with pytest.raises(IndexRangeError) as caught:
        nn.CrossEntropyLoss()(tg.zeros(1, 3), tg.tensor([5]))
    text = str(caught.value)
    assert text.startswith("cross_entropy: ")
    assert "; layer: CrossEntropyLoss" in text
    assert "(1, 3)" in text


def test_inside_a_layer_it_is_the_operation_that_is_named() -> None:
    x = tg.ones(2, 3)
    with pytest.raises(IndexRangeError) as caught:
        nn.Sequential(nn.Flatten(4))(x)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("flatten: ")
    assert lines[1] == "  input  (2, 3)  float32  cpu"
    assert lines[2].endswith("layer: Sequential.0")


def test_a_layer_that_is_only_half_made_does_not_hide_the_error() -> None:
    class TooEarly(nn.Module):
        def __init__(self) -> None:
            self.bias = tg.zeros(3).reshape(2)
            super().__init__()

    with pytest.raises(ShapeError, match="reshape: "):
        TooEarly()


def test_the_line_is_the_users_even_below_other_calls_of_the_package() -> None:
    with pytest.raises(DTypeError) as caught:
        numpy.mean(tg.tensor([1, 2]))
    assert "test_errors.py" in str(caught.value)
    with pytest.raises(TapeError) as left:
        numpy.asarray(tg.ones(2, requires_grad=True))
    assert "test_errors.py" in str(left.value)


def test_settings_are_refused_under_the_name_of_what_was_made() -> None:
    with pytest.raises(ValueError, match=r"[Dd]ropout"):
        nn.Dropout(1.5)
    with pytest.raises(ValueError, match=r"SGD|lr"):
        optim.SGD([nn.Parameter(tg.ones(2))], lr=-1.0)


def test_a_primitive_of_the_user_is_explained_like_ours() -> None:
    @tg.primitive(name="tests_pair", x=lambda g: g, y=lambda g: g)
    def pair(x: Any, y: Any) -> Any:
        if x.shape != y.shape:
            raise ShapeError("the two are no pair", fix="bring two of a kind")
        return x + y

    try:
        with pytest.raises(ShapeError) as caught:
            pair(tg.ones(2), tg.ones(3))
    finally:
        del tg.REGISTRY["tests_pair"]
    lines = str(caught.value).splitlines()
    assert lines[0] == "tests_pair: the two are no pair"
    assert lines[1].startswith("  x  ")
    assert lines[-1] == "  fix: bring two of a kind"


def test_code_without_a_source_file_still_has_a_place() -> None:
    code = compile("def run(tg):\n    return tg.ones(2) + tg.ones(3)\n", "<stdin>", "exec")
    space: dict[str, Any] = {"__name__": "__main__"}
    exec(code, space)
    with pytest.raises(ShapeError) as caught:
        space["run"](tg)
    assert "  at <stdin>:2, in run" in str(caught.value).splitlines()
    assert "  x  (2,)  float32  cpu" in str(caught.value).splitlines()


def test_in_a_notebook_the_place_is_the_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/tmp/ipykernel_17/4021.py"
    shell = SimpleNamespace(compile=SimpleNamespace(_filename_map={path: 5}))
    code = compile("tg.ones(2) + tg.ones(3)", path, "exec")
    with pytest.raises(ShapeError) as caught:
        exec(code, {"tg": tg, "__name__": "__main__"})
    assert "  at notebook cell:1, in <module>" in str(caught.value)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    with pytest.raises(ShapeError) as caught:
        exec(code, {"tg": tg, "__name__": "__main__"})
    assert "  at notebook cell [5]:1, in <module>" in str(caught.value)


def test_a_folder_named_numpy_is_no_part_of_numpy(tmp_path: Any) -> None:
    script = tmp_path / "numpy_course" / "numpy" / "train.py"
    script.parent.mkdir(parents=True)
    script.write_text("import tinygrad_mp as tg\n\n\ndef main():\n    tg.ones(2) + tg.ones(3)\n\n\nmain()\n")
    command = [sys.executable, "-P", str(script)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "  at train.py:5, in main" in result.stderr
    assert "  x  tg.ones(2)  (2,)  float32  cpu" in result.stderr


def test_where_there_is_no_user_there_is_no_place() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(user_location()))
    thread.start()
    thread.join()
    assert "test_errors.py" in found[0]
    assert "test_errors.py" in str(user_location())


# --- nothing half-written --------------------------------------------------------------------------------------------


def test_a_failed_operation_in_place_leaves_memory_tape_and_gradient_alone() -> None:
    x = tg.ones(3, requires_grad=True)
    y = x * 2
    before, node = y.detach().clone(), y.node
    for mistake in (
        lambda: y.add_(tg.ones(2, 3)),
        lambda: y.__setitem__(slice(0, 2), tg.ones(3)),
        lambda: y.__setitem__(tg.tensor([0, 7]), 1.0),
        lambda: y.masked_fill_(tg.tensor([True, False]), 5.0),
        lambda: y.pow_(tg.ones(4)),
    ):
        with pytest.raises(TinygradError):
            mistake()
    assert y.node is node
    assert y.detach().tolist() == before.tolist()
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_failed_change_of_a_leaf_changes_nothing() -> None:
    x = tg.ones(3, requires_grad=True)
    for mistake in (
        lambda: x.add_(1),
        lambda: x.zero_(),
        lambda: x.__setitem__(0, 5.0),
        lambda: x[1:].mul_(3),
        lambda: x.copy_(tg.zeros(3)),
    ):
        with pytest.raises(TapeError, match="leaf that requires a gradient"):
            mistake()
    assert x.detach().tolist() == [1.0, 1.0, 1.0]
    assert x.is_leaf


def test_a_failed_backward_leaves_no_gradient_behind() -> None:
    x, z = tg.ones(3, requires_grad=True), tg.ones(3, requires_grad=True)
    y = x * 2
    loss = (y * y * z).sum()
    y += 1
    with pytest.raises(TapeError):
        loss.backward()
    assert x.grad is None
    assert z.grad is None
    with pytest.raises(ShapeError):
        (x * 2).backward(tg.ones(4))
    assert x.grad is None


def test_a_failed_requires_grad_leaves_the_tensor_usable() -> None:
    counts = tg.tensor([1, 2])
    with pytest.raises(DTypeError):
        counts.requires_grad = True
    assert not counts.requires_grad
    assert (counts + 1).tolist() == [2, 3]


# --- the errors themselves -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ShapeError", ValueError),
        ("DTypeError", TypeError),
        ("IndexRangeError", IndexError),
        ("SettingError", ValueError),
        ("UnsupportedError", TypeError),
        ("DataFormatError", ValueError),
        ("MissingColumnError", KeyError),
        ("MissingDataError", FileNotFoundError),
        ("MissingPackageError", ImportError),
        ("NonFiniteError", FloatingPointError),
        ("DeviceError", RuntimeError),
        ("TapeError", RuntimeError),
    ],
)
def test_every_error_is_also_the_built_in_one_and_survives_pickling(name: str, builtin: type[Exception]) -> None:
    kind = getattr(errors, name)
    error = kind("it does not fit", fix="make it fit")
    assert isinstance(error, (builtin, TinygradError))
    assert issubclass(kind, builtin)
    assert issubclass(kind, TinygradError)
    for made in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(made) is kind
        assert str(made) == str(error)


def test_the_operation_that_is_nearest_to_the_problem_names_it() -> None:
    error = ShapeError("no")
    error.locate("inner", [("x", numpy.ones(2))])
    error.locate("outer", [("y", numpy.ones(3))])
    assert str(error).startswith("inner: no\n  x  (2,)  float64  cpu")


def test_operands_are_described_shortly() -> None:
    assert describe(tg.ones(2, 3)) == "(2, 3)  float32  cpu"
    assert len(describe(list(range(1000)))) < 80


def test_an_error_keeps_no_tensor_alive() -> None:
    def fail() -> tuple[ref[Any], TinygradError]:
        x = tg.ones(3)
        with pytest.raises(ShapeError) as caught:
            x.reshape(2)
        error = caught.value.with_traceback(None)
        error.__context__ = error.__cause__ = None
        return ref(x), error

    watch, error = fail()
    gc.collect()  # pytest's own record of the error is a cycle
    assert watch() is None
    assert "(3,)" in str(error)
