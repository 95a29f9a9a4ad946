"""``assert_close`` is content where PyTorch's is, and says what differs where it is not."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

import tinygrad_mp as tg
from tinygrad_mp.testing import assert_close

torch = pytest.importorskip("torch", reason="compares with PyTorch")

NAN, INF = float("nan"), float("inf")
PAIRS: list[Any] = [
    lambda t: ((t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0 + 1e-6])), {}),
    lambda t: ((t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0001])), {}),
    lambda t: ((t.tensor([1.0, 2.0]), t.tensor([1.0, 2.0001])), {"rtol": 1e-3, "atol": 0.0}),
    lambda t: ((t.tensor([1.0], dtype=t.float64), t.tensor([1.0 + 1e-6], dtype=t.float64)), {}),
    lambda t: ((t.tensor([1.0], dtype=t.float64), t.tensor([1.0 + 1e-6])), {"check_dtype": False}),
    lambda t: ((t.tensor([1.0], dtype=t.float64), t.tensor([1.0])), {}),
    lambda t: ((t.tensor([1, 2]), t.tensor([1, 2])), {}),
    lambda t: ((t.tensor([1, 2]), t.tensor([1, 3])), {}),
    lambda t: ((t.tensor([True]), t.tensor([False])), {}),
    lambda t: ((t.tensor([1.0]), t.tensor(1.0)), {}),
    lambda t: ((t.tensor([NAN]), t.tensor([NAN])), {}),
    lambda t: ((t.tensor([NAN]), t.tensor([NAN])), {"equal_nan": True}),
    lambda t: ((t.tensor([INF, -INF]), t.tensor([INF, -INF])), {}),
    lambda t: ((t.tensor([INF]), t.tensor([-INF])), {}),
    lambda t: ((t.zeros(0), t.zeros(0)), {}),
    lambda t: ((t.ones(2, 2).t(), t.ones(2, 2)), {"check_stride": True}),
    lambda t: ((1, 1), {}),
    lambda t: ((1.0, 1.0 + 1e-9), {}),
    lambda t: ((1.0, 1.1), {}),
    lambda t: ((1, 1.0), {}),
    lambda t: ((None, None), {}),
    lambda t: ((None, 1), {}),
    lambda t: (([t.ones(1), {"a": 1.0}], [t.ones(1), {"a": 1.0}]), {}),
    lambda t: (([t.ones(1), {"a": 1.0}], [t.ones(1), {"a": 2.0}]), {}),
    lambda t: (([1, 2], [1]), {}),
    lambda t: (({"a": 1}, {"b": 1}), {}),
    lambda t: ((t.nn.Parameter(t.ones(1)), t.ones(1)), {}),
    lambda t: ((t.nn.Parameter(t.ones(1)), t.ones(1)), {"allow_subclasses": False}),
    lambda t: ((numpy.ones(2), numpy.ones(2)), {}),
    lambda t: ((t.tensor(1.0), t.tensor(2.0)), {"msg": "mine"}),
    lambda t: ((1.0, 1.0), {"rtol": 1.0}),
    lambda t: ((object(), object()), {}),
]


def outcome(package: Any, case: Any) -> Any:
    (actual, expected), settings = case(package)
    try:
        package.testing.assert_close(actual, expected, **settings)
    except (AssertionError, TypeError, ValueError) as error:
        return next(kind for kind in (AssertionError, TypeError, ValueError) if isinstance(error, kind))
    return "close"


@pytest.mark.parametrize("case", PAIRS, ids=range(len(PAIRS)))
def test_what_is_close_is_what_pytorch_calls_close(case: Any) -> None:
    assert outcome(tg, case) == outcome(torch, case)


def test_the_message_says_where_and_how_much() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_close([tg.zeros(1), tg.ones(2, 2)], [tg.zeros(1), tg.tensor([[1.0, 1.5], [1.0, 1.0]])])
    for part in ("at [1]", "1 / 4 (25.0%)", "0.5 at index (0, 1)", "0.333 at index (0, 1)", "1.3e-06 allowed"):
        assert part in str(caught.value)
    with pytest.raises(AssertionError, match=r"^seen: the shapes differ"):
        assert_close(tg.zeros(1), tg.zeros(2), msg=lambda message: f"seen: {message}")
    with pytest.raises(AssertionError, match=r"Expected 2\.0 but got 1\.0"):
        assert_close(tg.tensor(1.0), tg.tensor(2.0))
