"""Named tuples of results."""

import copy
import pickle

import pytest

import tinygrad_mp as tg


def test_max_along_a_dim_returns_a_tuple_with_names():
    found = tg.tensor([[1.0, 4.0], [3.0, 2.0]]).max(dim=0)
    values, indices = found
    assert isinstance(found, tuple)
    assert type(found) is tg.return_types.max
    assert found.values is values
    assert found.indices is found[1] is indices
    assert repr(found) == "return_types.max(\nvalues=tensor([3., 4.]),\nindices=tensor([1, 0]))"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_named_tuples_are_copied_with_their_class(copied):
    made = tg.return_types.aminmax((1, 2))
    again = copied(made)
    assert type(again) is tg.return_types.aminmax
    assert (again.min, again.max) == (1, 2)


def test_a_wrong_number_of_entries_and_unknown_names_are_refused():
    with pytest.raises(TypeError, match="values, indices"):
        tg.return_types.sort((1, 2, 3))
    with pytest.raises(AttributeError, match="indexes"):
        _ = tg.return_types.sort((1, 2)).indexes


def test_the_classes_have_the_fields_of_pytorch():
    torch = pytest.importorskip("torch", reason="compares with PyTorch's return types")
    for name, ours in vars(tg.return_types).items():
        if isinstance(ours, type) and issubclass(ours, tuple) and name != "ReturnType":
            theirs = getattr(torch.return_types, name)
            for place, field in enumerate(ours.names):
                entries = tuple(range(theirs.n_fields))
                assert getattr(theirs(entries), field) == getattr(ours(entries), field) == place
