"""``nn.modules`` has what programs look for there."""

import subprocess
import sys

import pytest

from tinygrad_mp import nn


def test_layers_and_their_bases_are_found_where_pytorch_keeps_them() -> None:
    from tinygrad_mp.nn.modules import Linear
    from tinygrad_mp.nn.modules.batchnorm import _BatchNorm
    from tinygrad_mp.nn.modules.conv import Conv2d, _ConvNd
    from tinygrad_mp.nn.modules.loss import _Loss
    from tinygrad_mp.nn.modules.module import Module
    from tinygrad_mp.nn.modules.utils import _pair, _triple

    assert Linear is nn.Linear
    assert Conv2d is nn.Conv2d
    assert Module is nn.Module
    assert isinstance(nn.ConvTranspose1d(1, 1, 1), _ConvNd)
    assert isinstance(nn.BatchNorm3d(1), _BatchNorm)
    assert not isinstance(nn.InstanceNorm2d(1), _BatchNorm)
    assert issubclass(nn.HuberLoss, _Loss)
    assert (_pair(3), _triple((1, 2, 3))) == ((3, 3), (1, 2, 3))


def test_nn_modules_is_an_attribute_before_it_is_imported() -> None:
    code = "from tinygrad_mp import nn; import sys; print('tinygrad_mp.nn.modules' in sys.modules); nn.modules.conv"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", ["conv", "batchnorm", "instancenorm", "loss", "utils", "pooling"])
def test_pytorch_has_the_same_names_there(name: str) -> None:
    torch = pytest.importorskip("torch", reason="the names are PyTorch's, which is not importable here")
    theirs = vars(getattr(torch.nn.modules, name))
    ours = {one for one in vars(getattr(nn.modules, name)) if one.startswith("_") and not one.startswith("__")}
    assert ours <= set(theirs)
