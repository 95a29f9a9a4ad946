"""The layers at the places where PyTorch's source has them: ``from tinygrad_mp.nn.modules.loss import _Loss``.

``WHERE`` says which names PyTorch's module has and which modules of ours they come from; ``new=old`` offers ``old`` as
``new``. Each becomes a module of its own, so that any form of import finds it.
"""

import sys
from types import ModuleType
from typing import Any

from tinygrad_mp.absent import lookup, missing
from tinygrad_mp.later import fetch
from tinygrad_mp.nn.modules import utils as utils

WHERE: dict[str, dict[str, str]] = {
    "activation": {
        "activations": """
            ELU GELU GLU LeakyReLU LogSigmoid LogSoftmax Mish ReLU Sigmoid SiLU Softmax Softmax2d Softmin Softplus
            Softsign Tanh Tanhshrink
            """,
        "attention": "MultiheadAttention",
        "piecewise": "CELU SELU Hardshrink Hardsigmoid Hardswish Hardtanh PReLU RReLU ReLU6 Softshrink Threshold",
    },
    "adaptive": {"learned_losses": "AdaptiveLogSoftmaxWithLoss _ASMoutput"},
    "batchnorm": {
        "lazy": "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
        "normalization": "BatchNorm1d BatchNorm2d BatchNorm3d _BatchNorm _NormBase=_Tracking",
    },
    "channelshuffle": {"resampling": "ChannelShuffle"},
    "container": {"containers": "ModuleDict ModuleList ParameterList Sequential", "parameter_dict": "ParameterDict"},
    "conv": {
        "convolution": """
            Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d _ConvNd _ConvTransposeNd
            """,
        "lazy": "LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d",
    },
    "distance": {"distances": "CosineSimilarity PairwiseDistance"},
    "dropout": {
        "dropout": "AlphaDropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
        "layers": "Dropout _DropoutNd",
    },
    "flatten": {"layers": "Flatten Unflatten"},
    "fold": {"unpooling": "Fold Unfold"},
    "instancenorm": {
        "lazy": "LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
        "normalization": "InstanceNorm1d InstanceNorm2d InstanceNorm3d _InstanceNorm",
    },
    "lazy": {"lazy": "LazyModuleMixin=LazyModule"},
    "linear": {"distances": "Bilinear", "layers": "Identity Linear", "lazy": "LazyLinear"},
    "loss": {
        "learned_losses": "LinearCrossEntropyLoss",
        "losses": """
            BCELoss BCEWithLogitsLoss CTCLoss CrossEntropyLoss GaussianNLLLoss HuberLoss KLDivLoss L1Loss MSELoss
            NLLLoss NLLLoss2d PoissonNLLLoss SmoothL1Loss _Loss=Loss _WeightedLoss=WeightedLoss
            """,
        "margin_losses": """
            CosineEmbeddingLoss HingeEmbeddingLoss MarginRankingLoss MultiLabelMarginLoss MultiLabelSoftMarginLoss
            MultiMarginLoss SoftMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss
            """,
    },
    "module": {
        "hooks": """
            register_module_backward_hook register_module_forward_hook register_module_forward_pre_hook
            register_module_full_backward_hook register_module_full_backward_pre_hook
            """,
        "module": "Module _addindent=_indent",
        "parameter": "Buffer Parameter",
        "state": "_IncompatibleKeys=IncompatibleKeys",
    },
    "normalization": {"normalization": "GroupNorm LayerNorm LocalResponseNorm RMSNorm"},
    "padding": {
        "padding": """
            CircularPad1d CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d
            ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d ZeroPad1d ZeroPad2d
            ZeroPad3d _CircularPadNd _ConstantPadNd
            """,
    },
    "pixelshuffle": {"resampling": "PixelShuffle PixelUnshuffle"},
    "pooling": {
        "pooling": """
            AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
            AvgPool1d AvgPool2d AvgPool3d MaxPool1d MaxPool2d MaxPool3d _AdaptiveMaxPoolNd _AvgPoolNd
            _MaxPoolNd=_MaxPool
            """,
        "unpooling": "LPPool1d LPPool2d LPPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d _LPPoolNd=_LPPool",
    },
    "rnn": {"recurrent": "GRU LSTM RNN RNNBase", "recurrent_cells": "GRUCell LSTMCell RNNCell RNNCellBase"},
    "sparse": {"embedding": "Embedding EmbeddingBag"},
    "transformer": {
        "transformer": """
            Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer
            """,
    },
    "upsampling": {"resampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d"},
}


def _make(place: str) -> ModuleType:
    made = ModuleType(f"{__name__}.{place}", f"PyTorch's module ``nn.modules.{place}``.")
    for module, names in WHERE[place].items():
        for entry in names.split():
            name, _, there = entry.partition("=")
            setattr(made, name, fetch(f"nn.{module}", there or name))
    made.__dict__["__getattr__"] = lookup(f"nn.modules.{place}")
    sys.modules[made.__name__] = made
    return made


globals().update({place: _make(place) for place in WHERE})


def __getattr__(name: str) -> Any:
    """The layers are here too, as in PyTorch."""
    if name[:1].isupper():
        from tinygrad_mp import nn

        return getattr(nn, name)
    raise missing("nn.modules", name)
