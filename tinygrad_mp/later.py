"""Names whose module is imported when they are first asked for, so that importing the package stays fast.

Three tables say which module below ``tinygrad_mp`` has a name. ``new=old`` offers ``old`` of that module as ``new``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any

MODULES = """
accelerator amp backends compiler cuda data distributed distributions func hub jit linalg mps multiprocessing nn onnx
optim profiler random special testing training types utils version xpu
"""
"""Of the package itself: ``tinygrad_mp.<name>`` is a module, or package."""

FUNCTIONS: dict[str, str] = {
    "activating": "celu_ relu_ rrelu rrelu_ selu_ threshold_",
    "amp": "GradScaler autocast",
    "autograd.anomaly_mode": "is_anomaly_check_nan_enabled is_anomaly_enabled",
    "creation": """
        arange as_tensor empty empty_like eye from_dlpack from_numpy full full_like linspace ones ones_like zeros
        zeros_like
        """,
    "drawing": "binomial poisson",
    "formats": "channels_last channels_last_3d contiguous_format memory_format preserve_format strided",
    "formatting": "get_printoptions printoptions set_printoptions",
    "func": "vmap",
    "functional": """
        adaptive_avg_pool1d avg_pool1d channel_shuffle conv1d conv2d conv3d conv_transpose1d conv_transpose2d
        conv_transpose3d group_norm layer_norm max_pool1d max_pool2d max_pool3d pixel_shuffle pixel_unshuffle rms_norm
        """,
    "grad_mode": "inference_mode is_inference_mode_enabled",
    "grids": """
        asarray cartesian_prod combinations frombuffer logspace meshgrid scalar_tensor tril_indices triu_indices
        unravel_index vander
        """,
    "inquiry": """
        can_cast finfo get_default_device iinfo is_complex is_conj is_floating_point is_inference is_nonzero
        is_same_size is_signed is_storage is_tensor numel promote_types set_default_device typename
        """,
    "legacy": """
        BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor ShortTensor
        set_default_tensor_type
        """,
    "ops": "return_types",
    "ops.activation": "relu sigmoid",
    "ops.arithmetic": """
        addcdiv addcmul copysign float_power fmax fmin fmod frac frexp heaviside isneginf isposinf isreal ldexp lerp
        nan_to_num nextafter positive rsub signbit
        """,
    "ops.arranging": """
        atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes broadcast_tensors column_stack diag diag_embed
        diagflat diagonal_scatter dstack fliplr flipud hstack rot90 row_stack=vstack unflatten vstack
        """,
    "ops.comparison": """
        allclose bitwise_and bitwise_not bitwise_or bitwise_xor eq equal ge greater=gt greater_equal=ge gt isclose
        isfinite isinf isnan le less=lt less_equal=le logical_and logical_not logical_or logical_xor lt ne not_equal=ne
        """,
    "ops.contraction": "einsum",
    "ops.copying": "flip repeat repeat_interleave roll tile tril triu",
    "ops.counting": """
        argwhere bincount bucketize count_nonzero histc histogram nonzero nonzero_static searchsorted where
        """,
    "ops.cumulative": "cummax cummin cumprod cumsum cumulative_trapezoid diff logcumsumexp trapezoid trapz=trapezoid",
    "ops.decompositions": "cholesky cholesky_inverse cholesky_solve qr svd",
    "ops.distances": "bilinear cosine_similarity pairwise_distance pdist",
    "ops.elementary": "ceil cos erf expm1 fix=trunc floor log1p round sin tan trunc",
    "ops.elementwise": """
        abs absolute=abs add clone div=divide divide exp floor_divide log mul multiply=mul neg negative=neg pow
        reciprocal remainder rsqrt sgn=sign sign sqrt square sub subtract=scaled_sub tanh true_divide=div
        """,
    "ops.extremes": "amax amin argmax argmin max min",
    "ops.gathering": "gather index_select masked_fill scatter_add take_along_dim",
    "ops.integers": "bitwise_left_shift bitwise_right_shift gcd lcm",
    "ops.inverses": "det inverse=inv logdet matrix_power slogdet",
    "ops.joining": """
        cat chunk concat=cat concatenate=cat diagonal narrow split split_with_sizes=split stack unbind
        unsafe_chunk=chunk unsafe_split=split unsafe_split_with_sizes=split
        """,
    "ops.linalg": "bmm dot matmul mm mv outer",
    "ops.matrix_norms": "matrix_exp",
    "ops.movement": """
        broadcast_to contiguous expand flatten moveaxis=movedim movedim permute reshape squeeze swapaxes
        swapdims=swapaxes transpose unsqueeze
        """,
    "ops.norms": "norm",
    "ops.parts": "as_strided dsplit hsplit select select_scatter slice_scatter tensor_split vsplit",
    "ops.piecewise": "celu hardshrink prelu selu threshold",
    "ops.point_distances": "cdist dist",
    "ops.products": "addbmm addmm addmv addr baddbmm chain_matmul cross ger inner kron tensordot trace vdot",
    "ops.pseudo_inverses": "pinverse",
    "ops.quantiles": "nanquantile quantile",
    "ops.reduction": "all any logsumexp mean prod std sum var",
    "ops.scatter_reductions": "scatter_reduce",
    "ops.scattering": """
        index_add index_copy index_fill index_put index_reduce masked_scatter masked_select put scatter take
        """,
    "ops.selection": "clamp clamp_max clamp_min clip=clamp maximum minimum",
    "ops.shaping": """
        adjoint conj=unchanged conj_physical=unchanged detach narrow_copy ravel real=unchanged resolve_conj=unchanged
        resolve_neg=unchanged t
        """,
    "ops.slopes": "gradient",
    "ops.softmax": "log_softmax softmax",
    "ops.sorting": "argsort kthvalue median mode msort nanmedian sort topk",
    "ops.special": "digamma erfc erfinv lgamma logit mvlgamma polygamma xlogy",
    "ops.statistics": "aminmax corrcoef cov nanmean nansum renorm std_mean var_mean",
    "ops.transcendental": """
        acos acosh arccos=acos arccosh=acosh arcsin=asin arcsinh=asinh arctan2=atan2 arctan=atan arctanh=atanh asin
        asinh atan atan2 atanh cosh deg2rad exp2 hypot log10 log2 logaddexp logaddexp2 rad2deg sinc sinh
        """,
    "ops.uniqueness": "isin unique unique_consecutive",
    "random": """
        Generator bernoulli default_generator get_rng_state initial_seed manual_seed multinomial normal rand rand_like
        randint randint_like randn randn_like randperm seed set_rng_state
        """,
    "saving": "load save",
    "switches": """
        are_deterministic_algorithms_enabled bfloat16 compile get_deterministic_debug_mode get_float32_matmul_precision
        get_num_interop_threads is_autocast_enabled is_deterministic_algorithms_warn_only_enabled is_warn_always_enabled
        set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal set_num_interop_threads
        set_warn_always use_deterministic_algorithms
        """,
    "toplevel": "alpha_dropout constant_pad_nd dropout embedding feature_alpha_dropout fill get_device",
    "training": """
        BinaryCrossEntropy CategoricalCrossEntropy History Huber L1 L2 MAE MSE Model WeightDecay
        """,
    "training.layers": """
        AveragePool BatchNorm CELU Conv Dense Dropout ELU Embedding Flatten GELU GlobalAveragePool LeakyReLU MaxPool
        Mish PReLU ReLU Reshape SELU Sigmoid SiLU Softmax Swish Tanh
        """,
}
"""Of the package itself: ``tinygrad_mp.<name>``."""

METHODS: dict[str, str] = {
    "conversions": "byte char cpu cuda double half long short to type type_as",
    "fills": "bernoulli_ cauchy_ exponential_ fill_diagonal_ geometric_ log_normal_ normal_ random_ uniform_",
    "inquiry": "is_complex is_conj is_inference is_nonzero is_same_size is_signed",
    "legacy": "new",
    "numpy_calls": "__array_function__ __array_ufunc__",
    "ops.activation": "relu sigmoid",
    "ops.arithmetic": """
        __rdiv__=rdiv addcdiv addcmul copysign float_power fmax fmin fmod frac frexp heaviside isneginf isposinf isreal
        ldexp lerp nan_to_num nextafter positive signbit
        """,
    "ops.arranging": "diag diag_embed diagflat diagonal_scatter fliplr flipud rot90 unflatten",
    "ops.comparison": "greater=gt greater_equal=ge less=lt less_equal=le not_equal=ne",
    "ops.copying": "flip repeat repeat_interleave roll tile tril triu",
    "ops.counting": "argwhere bincount count_nonzero histc histogram nonzero nonzero_static where=tensor_where",
    "ops.cumulative": "cummax cummin cumprod cumsum diff logcumsumexp",
    "ops.decompositions": "cholesky cholesky_inverse cholesky_solve qr svd",
    "ops.elementary": "ceil cos erf expm1 fix=trunc floor log1p round sin tan trunc",
    "ops.elementwise": "sgn=sign",
    "ops.extremes": "amax amin argmax argmin max min",
    "ops.gathering": "gather index_select masked_fill scatter_add take_along_dim",
    "ops.integers": """
        __lshift__=bitwise_left_shift __rlshift__=left_shift_of __rrshift__=right_shift_of
        __rshift__=bitwise_right_shift bitwise_left_shift bitwise_right_shift gcd lcm
        """,
    "ops.inverses": "det inverse=inv logdet matrix_power slogdet",
    "ops.joining": "split_with_sizes=split unsafe_chunk=chunk unsafe_split=split unsafe_split_with_sizes=split",
    "ops.matrix_norms": "matrix_exp",
    "ops.movement": "moveaxis=movedim swapdims=swapaxes",
    "ops.norms": "norm",
    "ops.parts": "as_strided dsplit hsplit select select_scatter slice_scatter tensor_split vsplit",
    "ops.piecewise": "hardshrink prelu",
    "ops.point_distances": "dist",
    "ops.products": "addbmm addmm addmv addr baddbmm cross ger inner kron trace vdot",
    "ops.pseudo_inverses": "pinverse",
    "ops.quantiles": "nanquantile quantile",
    "ops.scatter_reductions": "scatter_reduce",
    "ops.scattering": """
        index_add index_copy index_fill index_put index_reduce masked_scatter masked_select put scatter take
        """,
    "ops.selection": "clamp_max clamp_min",
    "ops.shaping": """
        adjoint conj=unchanged conj_physical=unchanged expand_as narrow_copy ravel reshape_as resolve_conj=unchanged
        resolve_neg=unchanged sum_to_size t view_as
        """,
    "ops.softmax": "log_softmax softmax",
    "ops.sorting": "argsort kthvalue median mode msort nanmedian sort topk",
    "ops.special": "digamma erfc erfinv lgamma logit mvlgamma polygamma xlogy",
    "ops.statistics": "aminmax corrcoef cov nanmean nansum renorm",
    "ops.transcendental": """
        acos acosh arccos=acos arccosh=acosh arcsin=asin arcsinh=asinh arctan2=atan2 arctan=atan arctanh=atanh asin
        asinh atan atan2 atanh cosh deg2rad exp2 hypot log10 log2 logaddexp logaddexp2 rad2deg sinc sinh
        """,
    "ops.uniqueness": "unique unique_consecutive",
    "ops.window": "unfold=unfold_dim",
    "random": "bernoulli multinomial",
    "similar": "new_empty new_full new_ones new_tensor new_zeros",
    "storage": """
        apply_ dim_order element_size get_device is_pinned is_set_to is_shared map2_ map_ ndimension pin_memory resize_
        resize_as_ set_ share_memory_ storage storage_offset untyped_storage
        """,
    "turning": "squeeze_ swapaxes_=transpose_ swapdims_=transpose_ t_ transpose_ unsqueeze_",
}
"""Methods of ``Tensor``."""

IN_PLACE: dict[str, str] = {
    "ops.activation": "relu sigmoid",
    "ops.arithmetic": "addcdiv addcmul copysign float_power fmod frac heaviside ldexp lerp nan_to_num nextafter",
    "ops.comparison": """
        bitwise_and bitwise_not bitwise_or bitwise_xor eq ge greater=gt greater_equal=ge gt le less=lt less_equal=le
        logical_and logical_not logical_or logical_xor lt ne not_equal=ne
        """,
    "ops.copying": "tril triu",
    "ops.cumulative": "cumprod cumsum",
    "ops.elementary": "ceil cos erf expm1 fix=trunc floor log1p round sin tan trunc",
    "ops.elementwise": """
        abs absolute=abs add div=divide divide exp floor_divide log mul multiply=mul neg negative=neg pow reciprocal
        remainder rsqrt sgn=sign sign sqrt square sub subtract=scaled_sub tanh true_divide=div
        """,
    "ops.gathering": "masked_fill scatter_add",
    "ops.integers": "bitwise_left_shift bitwise_right_shift gcd lcm",
    "ops.products": "addbmm addmm addmv addr baddbmm",
    "ops.scatter_reductions": "scatter_reduce",
    "ops.scattering": "index_add index_copy index_fill index_put index_reduce masked_scatter put scatter",
    "ops.selection": "clamp clamp_max clamp_min clip=clamp",
    "ops.special": "digamma erfc erfinv lgamma logit mvlgamma polygamma xlogy",
    "ops.statistics": "renorm",
    "ops.transcendental": """
        acos acosh arccos=acos arccosh=acosh arcsin=asin arcsinh=asinh arctan2=atan2 arctan=atan arctanh=atanh asin
        asinh atan atan2 atanh cosh deg2rad exp2 hypot log10 log2 rad2deg sinc sinh
        """,
}
"""Methods of ``Tensor`` that write into it: listed without the underscore at their end."""


def entries(table: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """``(name, module, its name there)`` of all names of a table."""
    for module, names in table.items():
        for entry in names.split():
            name, _, there = entry.partition("=")
            yield name, module, there or name


class Later:
    """Stands in a class for an attribute that a module has, until that is first asked for."""

    def __init__(
        self, owner: type, name: str, module: str, there: str, make: Callable[[Any], Any] | None = None
    ) -> None:
        self.owner, self.name, self.module, self.there, self.make = owner, name, module, there, make

    def __get__(self, instance: Any, owner: type) -> Any:
        value = fetch(self.module, self.there)
        setattr(self.owner, self.name, value if self.make is None else self.make(value))
        return getattr(owner if instance is None else instance, self.name)


def fetch(module: str, name: str) -> Any:
    """The attribute of a module below ``tinygrad_mp``."""
    return getattr(import_module(f"tinygrad_mp.{module}"), name)


def offer(owner: type, table: Mapping[str, str], suffix: str = "", make: Callable[[Any], Any] | None = None) -> None:
    """Give a class the names of a table, each with ``suffix``, as what ``make`` makes of them."""
    known = vars(owner)
    for name, module, there in entries(table):
        name += suffix
        if name in known:
            raise TypeError(f"{owner.__name__} already has {name}")
        setattr(owner, name, Later(owner, name, module, there, make))
