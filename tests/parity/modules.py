"""Run entries of PyTorch's ``module_db`` on both engines: state, output, gradients and buffers, in both modes."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

from tests.parity.databases import MODULES, seed_all, torch
from tests.parity.judging import Tally, WrongError, compare, compare_kinds, one_line
from tests.parity.ops import compare_gradients, copy_of, describe
from tests.parity.sides import LeftOutError, MissingError, dtype_name, ours
from tinygrad_mp import nn


def run_module(name: str) -> Tally:
    """Compare all inputs of an entry, in training and in evaluation, and its bad inputs."""
    info = MODULES[name]
    tally = Tally(name)
    for training in (True, False):
        seed_all()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inputs = info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            )
            for number, one in enumerate(list(inputs)):
                _run_input(tally, info, number, one, training)
    if info.module_error_inputs_func is not None:
        _run_bad_inputs(tally, info)
    return tally


def _made(info: Any, one: Any, training: bool) -> Any:
    constructor = one.constructor_input
    torch.manual_seed(1)
    module = info.module_cls(*copy_of(constructor.args), **copy_of(constructor.kwargs)).double()
    return module.train(training)


def our_module(info: Any, constructor: Any, training: bool) -> Any:
    """Our module for an entry, made with the same arguments, in float64."""
    made = getattr(nn, info.module_cls.__name__, None)
    if made is None:
        raise MissingError(info.module_cls.__name__)
    return made(*ours(constructor.args), **ours(constructor.kwargs)).double().train(training)


def _run_input(tally: Tally, info: Any, number: int, one: Any, training: bool) -> None:
    forward = one.forward_input
    given = (tuple(forward.args), dict(forward.kwargs)) if forward is not None else ((), {})
    theirs = copy_of(given)
    words = describe(one.constructor_input.args, one.constructor_input.kwargs)
    label = f"#{number} {'train' if training else 'eval'} {words} on {describe(*given)}"
    try:
        theirs_module = _made(info, one, training)
        start = {key: value.clone() for key, value in _state(theirs_module).items()}
        expected = theirs_module(*theirs[0], **theirs[1]) if forward is not None else None
    except Exception:
        return  # not an input that PyTorch accepts
    try:
        module = our_module(info, one.constructor_input, training)
        mine = ours(given)
        if info.is_lazy:
            module(*mine[0], **mine[1])
            start = dict(theirs_module.state_dict())
        _compare_state(module.state_dict(), start, values=False)
        module.load_state_dict(ours(start))
        _compare_state(module.state_dict(), start, values=True)
        if forward is None:
            return tally.add("passed")
        found = module(*mine[0], **mine[1])
        if _is_random(theirs_module):
            compare_kinds(found, expected, "output")
        else:
            compare(found, expected, "output")
            leaves = (mine, list(module.parameters())), (theirs, list(theirs_module.parameters()))
            compare_gradients(leaves[0], found, leaves[1], expected)
            _compare_state(module.state_dict(), theirs_module.state_dict(), values=True)
    except WrongError as error:
        tally.add("wrong", f"{label}: {error}")
    except (MissingError, LeftOutError) as error:
        tally.add("missing" if isinstance(error, MissingError) else "left out", f"{label}: {error}")
    except Exception as error:
        tally.add("raised", f"{label}: {one_line(error)}")
    else:
        tally.add("passed")
    return None


def _state(module: Any) -> dict[str, Any]:
    if any(isinstance(one, torch.nn.parameter.UninitializedTensorMixin) for one in module.state_dict().values()):
        return {}
    return dict(module.state_dict())


def _is_random(module: Any) -> bool:
    """Whether dropout is at work."""
    for one in module.modules():
        rate = one.p if isinstance(one, torch.nn.Dropout) else getattr(one, "dropout", 0.0)
        if one.training and isinstance(rate, float) and rate > 0:
            return True
    return False


def _compare_state(found: Any, expected: Any, *, values: bool) -> None:
    if list(found) != list(expected):
        raise WrongError(f"state_dict: keys {list(found)} instead of {list(expected)}")
    for key in expected:
        if tuple(found[key].shape) != tuple(expected[key].shape) or dtype_name(found[key]) != dtype_name(expected[key]):
            raise WrongError(
                f"state_dict: {key} is {tuple(found[key].shape)} {dtype_name(found[key])} instead of "
                f"{tuple(expected[key].shape)} {dtype_name(expected[key])}"
            )
        if values:
            compare(found[key], expected[key], f"state {key}")


def _run_bad_inputs(tally: Tally, info: Any) -> None:
    """Errors at construction or in the forward pass, of PyTorch's class."""
    seed_all()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bad_ones = list(
            info.module_error_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=True)
        )
        for number, bad in enumerate(bad_ones):
            one, expected = bad.module_error_input, bad.error_type
            if not (inspect.isclass(expected) and issubclass(expected, Exception)):
                continue
            forward = one.forward_input
            given = (tuple(forward.args), dict(forward.kwargs)) if forward is not None else None
            try:
                module = _made(info, one, True)
                if given is not None:
                    module(*copy_of(given[0]), **copy_of(given[1]))
            except expected:
                pass
            except Exception:
                continue
            else:
                continue
            words = describe(one.constructor_input.args, one.constructor_input.kwargs)
            label = f"bad input #{number} {words} on {describe(*given) if given else 'nothing'}"
            tally.bad_inputs += 1
            try:
                mine = None if given is None else ours(given)
                module = our_module(info, one.constructor_input, True)
                if mine is not None:
                    module(*mine[0], **mine[1])
            except (LeftOutError, MissingError):
                tally.bad_inputs -= 1
            except expected:
                pass
            except Exception as error:
                tally.other_class += 1
                tally.notes.append(f"other class: {label}: {one_line(error)} instead of {expected.__name__}")
            else:
                tally.silent += 1
                tally.notes.append(f"silent: {label}: expected {expected.__name__} {bad.error_regex!r:.80}")


_NAMES = """
AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveMaxPool1d AdaptiveMaxPool2d AvgPool1d AvgPool2d BatchNorm1d BatchNorm2d
BatchNorm3d CELU Conv1d Conv2d ConvTranspose1d ConvTranspose2d CosineEmbeddingLoss ELU L1Loss SmoothL1Loss LazyConv1d
LazyConv2d Linear Bilinear MaxPool1d MaxPool2d KLDivLoss MSELoss MarginRankingLoss MultiMarginLoss SoftMarginLoss
MultiLabelSoftMarginLoss NLLLoss GaussianNLLLoss PoissonNLLLoss HingeEmbeddingLoss HuberLoss BCELoss BCEWithLogitsLoss
CrossEntropyLoss GELU GLU GroupNorm Hardshrink Hardswish Hardtanh InstanceNorm1d InstanceNorm2d LocalResponseNorm
LayerNorm RMSNorm TransformerEncoder TransformerEncoderLayer TransformerDecoderLayer Transformer MultiheadAttention
Embedding ReLU LeakyReLU ReLU6 PReLU RNNCell GRUCell LSTMCell Sigmoid LogSigmoid SiLU Softmax Softmax2d LogSoftmax
Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold Mish RNN GRU LSTM ReflectionPad1d ReflectionPad2d
ReplicationPad1d ReplicationPad2d SELU ZeroPad1d ZeroPad2d ConstantPad1d ConstantPad2d
"""
COMMON_MODULES = _NAMES.split()
"""What ordinary programs use: more than the 79 that issue C asks for."""
