"""The bundled digits: what comes back, that the split is fixed and fair, and that the file may be shipped."""

import hashlib
import zipfile
from pathlib import Path

import numpy
import pytest

from tinygrad_mp.data import bundled, digits
from tinygrad_mp.errors import SettingError

FILE = Path(bundled.__file__).with_name("digits.npz")


@pytest.mark.parametrize(("split", "count"), [(None, 1797), ("train", 1438), ("test", 359)])
def test_images_and_labels_have_the_promised_shapes_dtypes_and_values(split, count):
    images, labels = digits(split)
    assert images.shape == (count, 8, 8)
    assert images.dtype == numpy.float32
    assert images.min() == 0
    assert images.max() == 1
    assert labels.shape == (count,)
    assert labels.dtype == numpy.int64
    assert set(labels.tolist()) == set(range(10))


def test_flat_images_are_the_same_pixels_in_rows_of_64():
    assert numpy.array_equal(digits("test", flat=True).images, digits("test").images.reshape(359, 64))


def test_the_digits_are_those_of_uci():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the reference copy")
    reference = datasets.load_digits()
    images, labels = digits()
    assert numpy.array_equal(images * 16, reference.images)
    assert numpy.array_equal(labels, reference.target)


def test_train_and_test_are_apart_and_together_are_everything():
    rows = [row.tobytes() for row in digits().images]
    train, test = ([row.tobytes() for row in digits(split).images] for split in ("train", "test"))
    assert len(set(rows)) == 1797, "the images are distinct, so that rows can stand for them"
    assert not set(train) & set(test)
    assert sorted(train + test) == sorted(rows)


def test_the_split_is_the_same_everywhere():
    images, labels = digits("test")
    pixels = (images * 16).astype(numpy.uint8)
    digest = hashlib.sha256(pixels.tobytes() + labels.astype(numpy.uint8).tobytes()).hexdigest()
    assert digest == "a8dee80a4bf306c6f44a15fde4ddba49ba2aec612a8ad1865237f46bcd43cb9b"


def test_a_fifth_of_each_class_is_held_out():
    held_out, everything = (numpy.bincount(digits(split).labels) for split in ("test", None))
    assert numpy.all(numpy.abs(held_out - everything / 5) < 1)


def test_changing_what_was_returned_changes_nobody_elses_digits():
    digits().images[:] = 0.5
    digits().labels[:] = 11
    assert digits().images.max() == 1
    assert digits().labels.max() == 9


def test_an_unknown_split_is_named_with_those_that_there_are():
    with pytest.raises(SettingError, match=r"no split 'validation'\n.*\n  fix: .*'train'.*'test'.*None"):
        digits("validation")


def test_the_file_is_small_and_holds_no_pickles():
    assert FILE.stat().st_size < 100_000
    with zipfile.ZipFile(FILE) as archive:
        assert archive.namelist() == ["images.npy", "labels.npy"]
    with numpy.load(FILE, allow_pickle=False) as file:
        assert {name: file[name].dtype.name for name in file} == {"images": "uint8", "labels": "uint8"}


def test_the_authors_and_the_licence_are_named_beside_the_file():
    text = FILE.with_name("digits.LICENSE.txt").read_text(encoding="utf-8")
    for words in ("Alpaydin", "Kaynak", "https://doi.org/10.24432/C50P49", "CC BY 4.0", "Changes"):
        assert words in text
