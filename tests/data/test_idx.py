"""IDX files and the data set that comes in them: what is read, and what a damaged or absent file is answered with."""

import gzip
import struct
from pathlib import Path

import numpy
import pytest

from tinygrad_mp.data import fashion_mnist, read_idx
from tinygrad_mp.errors import DataFormatError, MissingDataError, SettingError

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def idx(array, kind=0x08):
    """The bytes of an IDX file, written here from the format's description."""
    array = numpy.asarray(array)
    header = bytes([0, 0, kind, array.ndim]) + b"".join(struct.pack(">I", size) for size in array.shape)
    return header + array.astype(">" + DTYPES[kind]).tobytes()


def write(folder, split, images, labels, suffix=""):
    prefix = {"train": "train", "test": "t10k"}[split]
    pack = gzip.compress if suffix else bytes
    (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))


def pictures(count):
    return numpy.random.default_rng(count).integers(0, 256, (count, 28, 28))


# --- the format ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (2, 3, 4), (0, 3)])
def test_every_number_type_and_shape_is_read_back(kind, shape, packed, tmp_path):
    expected = numpy.random.default_rng(kind).integers(0, 100, shape).astype(DTYPES[kind])
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(idx(expected, kind)) if packed else idx(expected, kind))
    array = read_idx(path)
    assert array.dtype == expected.dtype, "in the byte order of this machine"
    assert array.dtype.isnative
    assert array.shape == shape
    assert numpy.array_equal(array, expected)


def test_negative_and_large_entries_keep_their_bytes_in_order(tmp_path):
    (tmp_path / "file").write_bytes(bytes([0, 0, 0x0C, 1, 0, 0, 0, 2, 0xFF, 0xFF, 0xFF, 0xFE, 0, 1, 0, 2]))
    assert read_idx(str(tmp_path / "file")).tolist() == [-2, 65538]


def test_what_is_read_may_be_changed(tmp_path):
    (tmp_path / "file").write_bytes(idx([1, 2, 3]))
    array = read_idx(tmp_path / "file")
    array += 1
    assert array.tolist() == [2, 3, 4]


whole = idx(numpy.arange(6).reshape(2, 3))
DAMAGED = {
    "empty": (b"", r"is not an IDX file: it begins with nothing"),
    "of another format": (b"\x89PNG....", r"is not an IDX file: it begins with 89 50 4e 47"),
    "of an unknown number type": (
        b"\0\0\x0a\1\0\0\0\0",
        r"holds numbers of the unknown type 0x0A; .*0x08 \(uint8\), .*0x0E \(float64\)",
    ),
    "cut off in the header": (whole[:9], r"is cut off: its header takes 12 bytes for 2 axes, and the file has 9"),
    "cut off in the entries": (whole[:-1], r"is cut off: shape \(2, 3\) of uint8 takes 6 bytes .*, and there are 5"),
    "too long": (whole + b"\0", r"is too long: shape \(2, 3\) of uint8 takes 6 bytes .*, and there are 7"),
    "of a size that no memory holds": (b"\0\0\x0e\3" + b"\xff" * 12, r"is cut off: .*, and there are 0"),
    "compressed and cut off": (gzip.compress(whole)[:-9], r"cannot be decompressed"),
    "compressed and altered": (gzip.compress(whole)[:-8] + bytes(8), r"cannot be decompressed"),
    "compressed and scrambled": (gzip.compress(whole)[:10] + b"\xff" * 20, r"cannot be decompressed"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_with_what_is_wrong(damage, tmp_path):
    data, message = DAMAGED[damage]
    (tmp_path / "odd-file").write_bytes(data)
    with pytest.raises(DataFormatError, match=rf"odd-file {message}(.*\n)+  fix: ") as caught:
        read_idx(tmp_path / "odd-file")
    assert isinstance(caught.value, ValueError)


def test_an_absent_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")


# --- Fashion-MNIST ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_images_and_labels_are_those_of_the_files(split, suffix, tmp_path):
    pixels = pictures(10)
    write(tmp_path, "train", pictures(3), [1, 2, 3])
    write(tmp_path, "test", pictures(4), [1, 2, 3, 4])
    for file in tmp_path.iterdir():
        if file.name.startswith({"train": "train", "test": "t10k"}[split]):
            file.unlink()
    write(tmp_path, split, pixels, range(10), suffix)
    images, labels = fashion_mnist(tmp_path, split)
    assert images.dtype == numpy.float32
    assert labels.dtype == numpy.int64
    assert numpy.array_equal(images, pixels.astype(numpy.float32) / numpy.float32(255))
    assert labels.tolist() == list(range(10))


@pytest.mark.parametrize("exists", [True, False])
def test_without_the_files_it_says_how_to_get_them(exists, tmp_path):
    folder = tmp_path if exists else tmp_path / "nowhere"
    found = "has no file train-images-idx3-ubyte or train-images-idx3-ubyte.gz" if exists else "does not exist"
    package = "apt-get install dataset-fashion-mnist"
    with pytest.raises(MissingDataError, match=rf"(?s){found}.*  fix: .*{package}") as caught:
        fashion_mnist(folder, "train")
    assert isinstance(caught.value, FileNotFoundError)


def test_labels_alone_are_missed_by_name(tmp_path):
    write(tmp_path, "test", pictures(2), [0, 1])
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(MissingDataError, match="no file t10k-labels-idx1-ubyte or"):
        fashion_mnist(tmp_path, "test")


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (numpy.zeros((2, 8, 8)), [0, 1], r"images-idx3-ubyte holds uint8 of shape \(2, 8, 8\), .*\(n, 28, 28\)"),
        (pictures(2), [0, 1, 2], r"labels-idx1-ubyte holds uint8 of shape \(3,\), .*\(2,\), a label for each image"),
        (pictures(2), [0, 10], r"labels-idx1-ubyte holds the label 10, and there are ten classes"),
    ],
)
def test_files_that_do_not_belong_together_are_refused(images, labels, message, tmp_path):
    write(tmp_path, "test", images, labels)
    with pytest.raises(DataFormatError, match=message):
        fashion_mnist(tmp_path, "test")


def test_an_unknown_split_is_named_with_those_that_there_are(tmp_path):
    with pytest.raises(SettingError, match=r"no split 'validation'\n(.*\n)+  fix: .*'train'.*'test'"):
        fashion_mnist(tmp_path, "validation")


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
@pytest.mark.parametrize(("split", "count"), [("train", 60000), ("test", 10000)])
def test_the_files_of_debian_hold_each_class_equally_often(split, count):
    images, labels = fashion_mnist(DEBIAN, split)
    assert images.shape == (count, 28, 28)
    assert images.min() == 0
    assert images.max() == 1
    assert numpy.bincount(labels).tolist() == [count // 10] * 10
