"""What PyTorch has and this package leaves out: why, and what to use instead. Read when a lookup fails, and by docs.

The first pattern that matches ``<namespace>.<name>`` decides; there is no dot before names of the package itself.
"""

from __future__ import annotations

import re
from functools import cache

_COMPLEX = "complex tensors are not computed with"
_PAIRS = "two real tensors, for the real and the imaginary part"
_SPARSE = "tensors are dense"
_DENSE = "a dense tensor, with a mask where one is needed; index_add and scatter_add for sparse updates"
_QUANTIZED = "quantised tensors are not supported"
_FLOATS = "float32 or float16 tensors"
_COMPILER = "programs run as they are written; nothing is traced"
_PLAIN = "call the Python function itself"
_ONE = "one process; threads share the work inside it (set_num_threads)"
_DEVICES = "a matter of devices that this package does not drive"
_INTERNAL = "PyTorch's own machinery"
_NOTHING = "nothing: programs do not need it"
_RARE = "rare in the programs that this package is for"
_FUNCTION = "the engine of a function of nn.functional"
_CALL_IT = "the function of that name in nn.functional"

_GROUPS: tuple[tuple[str, str, str], ...] = (
    (r"fft|(Tensor\.)?i?stft|signal|\w+_window", "Fourier transforms work on complex tensors", "numpy.fft and scipy"),
    (
        r"(utils\.data\.)?DistributedSampler|(Tensor\.)?is_distributed|prepare_multiprocessing_environment"
        r"|nn\.(DataParallel|SyncBatchNorm)",
        "a program runs in one process",
        _ONE,
    ),
    (r"Script\w*|LiteScript\w*|CompilationUnit|fork|wait|import_ir\w*|parse_\w+|Future", _COMPILER, _PLAIN),
    (r"export|fx|package|cond|while_loop|sym_\w+|Sym\w+|func\.(debug_unwrap|rearrange)", _COMPILER, _PLAIN),
    (r"func\.replace_all_\w+", "running statistics are buffers", "batch norm with track_running_stats=False"),
    (r"(cuda\.)?profiler\w*|monitor", "there is no profiler of our own", "cProfile, or perf"),
    (r"(Tensor\.)?(is_nested|to_padded_tensor)|jagged", "nested tensors are a prototype", "pad_sequence"),
    (r"masked", "masked tensors are a prototype", "where, masked_fill and masked_select"),
    (r"Tensor\.name", "named tensors are a prototype", "dims by their numbers; einsum names them in a formula"),
    (
        r"(Tensor\.|cuda\.)?(\w*sparse\w*|coalesce|is_coalesced|\w*c\w*_indices(_copy)?|(row_|col_)?indices(_copy)?"
        r"|values(_copy)?|to_dense|dense_dim|s?smm|h?spmm|hsmm|dsmm|sspaddmm|saddmm)",
        _SPARSE,
        _DENSE,
    ),
    (r"optim\.SparseAdam", _SPARSE, "Adam"),
    (
        r"(Tensor\.)?(\w*quant\w*|q_\w+|qscheme|int_repr|per_(tensor|channel)_\w+|qu?int\d+(x\d)?|QU?Int\w+Storage"
        r"|choose_qparams_optimized|fbgemm_\w+|quint\dx\d)",
        _QUANTIZED,
        _FLOATS,
    ),
    (
        r"(Tensor\.)?(bfloat16|chalf|float8_\w+|float4_\w+|bits\w*|bit|u?int[1-7]|uint16|uint32|uint64|complex32)"
        r"|(cuda\.)?BFloat16\w+",
        "NumPy has no such dtype, or programs rarely use it",
        "float16, float32, int64 and their kin",
    ),
    (
        r"(Tensor\.)?(complex|polar|view_as_(real|complex)(_copy)?|conj_physical_|is_neg|imag|angle|cfloat|cdouble|eig)"
        r"|linalg\.(eig|eigvals)|(cuda\.)?Complex\w+",
        _COMPLEX,
        _PAIRS,
    ),
    (
        r"(Tensor\.)?(cudnn_\w+|miopen_\w+|mkldnn_\w+|is_vulkan\w*|is_mkldnn|to_mkldnn|has_(mkl|lapack|openmp|spectral))",
        "the entry of one backend library",
        "the function without the library's name, such as conv2d",
    ),
    (r"Tensor\.(xpu|ipu|mtia|is_(ipu|maia|mps|mtia|xla|xpu))", _DEVICES, 'device="cpu" or device="cuda"'),
    (
        r"(cuda\.)?(Stream\w*|Event|\w*stream\w*|CUDAGraph|graph\w*|make_graphed_callables)",
        _DEVICES,
        "cuda.synchronize() where a program waits",
    ),
    (r"cuda\.amp\.\w+", _INTERNAL, "cuda.amp.autocast and GradScaler"),
    (r"cuda\.\w+", _DEVICES, "what tinygrad_mp.cuda has, and CuPy for the rest"),
    (
        r"(Tensor\.)?(\w*[sS]torage\w*|const_data_ptr|from_file|as_subclass|record_stream|module_load)",
        "storages are not visible",
        "x.numpy(), over the same memory",
    ),
    (
        r"autograd\.(NestedIOFunction|enforce_grad_layout_policy|grad_mode|\w*multithreading\w*|is_view_replay_enabled"
        r"|kineto_available)",
        _INTERNAL,
        "grad, backward, Function and func",
    ),
    (r"overrides|(autograd\.|nn\.functional\.)?has_torch_function\w*|DisableTorchFunction\w*", _INTERNAL, _NOTHING),
    (r"nn\.Container|Tensor\.volatile", "deprecated by PyTorch", "ModuleList, and requires_grad"),
    (r"range", "deprecated by PyTorch", "arange, which leaves the end out"),
    (
        r"utils\.data\.(\w*Data[Pp]ipe\w*|functional_datapipe|DataChunk|argument_validation|runtime_validation\w*"
        r"|\w*determinis\w*)",
        "data pipes are deprecated by PyTorch",
        "Dataset, IterableDataset and DataLoader",
    ),
    (r"(Tensor\.)?(symeig|lstsq|matrix_rank|solve)", "removed from PyTorch", "the function of that name in linalg"),
    (
        r"(Tensor\.)?(triangular_solve|lu|lu_solve|lu_unpack|geqrf|orgqr|ormqr|lobpcg|svd_lowrank|pca_lowrank)"
        r"|linalg\.(householder_product|ldl_\w+|lu\w*)",
        "a rare decomposition",
        "linalg.solve, solve_triangular, qr, svd and eigh",
    ),
    (
        r"(Tensor\.)?(igamma\w*|i0_?)|special\.\w+",
        "a special function that NumPy does not have",
        "scipy.special inside an autograd.Function",
    ),
    (r"(Tensor\.)?\w+_copy", "copies of views, for PyTorch's compiler", "the name without _copy, then .clone()"),
    (r"(nn\.functional\.)?native_\w+", _INTERNAL, "the name without its first word"),
    (
        r"(Tensor\.)?(as_strided_scatter|slice_inverse|as_strided_)",
        "for PyTorch's compiler",
        "y = x.clone(), then y[...] = value",
    ),
    (
        r"batch_norm(_\w+)?|instance_norm|embedding_(renorm_|bag)|ctc_loss|kl_div|\w+_loss|binary_cross_entropy_with_logits"
        r"|adaptive_max_pool1d|max_pool1d_with_indices|grid_sampler\w*|affine_grid_generator|(feature_|alpha_)*dropout_"
        r"|feature_dropout",
        _FUNCTION,
        _CALL_IT,
    ),
    (
        r"rnn_\w+|gru\w*|lstm\w*|(nn\.functional\.)?conv_tbc|convolution|norm_except_dim|nuclear_norm|frobenius_norm",
        "the engine of a layer, or of a function",
        "that layer in nn, conv2d, or linalg.matrix_norm",
    ),
    (
        r"nn\.functional\.(\w+_with_indices|multi_head_attention_forward|assert_int_or_pair|\w*grouped_mm|scaled_mm"
        r"|ScalingType|SwizzleType)",
        _INTERNAL,
        "the function without the suffix (return_indices=True gives indices), or nn.MultiheadAttention",
    ),
    (
        r"nn\.(functional\.)?(FractionalMaxPool\dd|fractional_max_pool\dd|CrossMapLRN2d)",
        _RARE,
        "max_pool2d or local_response_norm",
    ),
    (
        r"nn\.LinearCrossEntropyOptions",
        "linear_cross_entropy computes all logits at once",
        "backward() of linear_cross_entropy over a part of the rows, part after part",
    ),
    (r"nn\.utils\.parametrizations\.\w+", _RARE, "nn.init.orthogonal_, or a parametrization of your own"),
    (
        r"nn\.utils\.(fuse_\w+|convert_\w+|stateless)",
        _INTERNAL,
        "functional_call of tinygrad_mp.func, and the layers themselves",
    ),
    (r"optim\.Muon", "not among the optimizers that most programs use", "SGD with nesterov=True, or AdamW"),
    (r"optim\.Adafactor", "not among the optimizers that most programs use", "AdamW, or RMSprop to save memory"),
    (r"optim\.swap_\w+", _INTERNAL, "load_state_dict"),
    (
        r"(Tensor\.)?(histogramdd|hash_tensor|segment_reduce|empty_permuted|empty_strided"
        r"|new_empty_strided)",
        _RARE,
        "NumPy, by x.numpy() and from_numpy",
    ),
    (
        r"\w*autocast\w*",
        "float16 is not chosen by itself",
        "autocast() of tinygrad_mp.amp, which does nothing, or x.half()",
    ),
    (
        r"(Tensor\.)?(reinforce|resize|resize_as|grad_dtype|index|to_dlpack)",
        _INTERNAL,
        "a new tensor from the values, x[...], or from_dlpack(x)",
    ),
    (
        r"distributions\.(\w*Transform|identity_transform|biject_to|transform_to)",
        "not among the transforms that most programs use",
        "AffineTransform, ExpTransform, SigmoidTransform and their kin",
    ),
    (
        r"distributions\.\w+",
        "not among the distributions that most programs use",
        "Gamma, Beta, Dirichlet, Normal and their kin, or a Distribution of your own",
    ),
    (r"utils\.checkpoint\.\w+", _INTERNAL, "checkpoint(), which calls the function"),
    (
        r"[A-Z]\w*|init_num_threads|set_anomaly_enabled|get_device_module|get_file_path|unify_type_list|cpp|classproperty"
        r"|merge_type_from_type_comment|compiled_with_\w+|(random\.)?thread_safe_generator|legacy_contiguous_format",
        _INTERNAL,
        _NOTHING,
    ),
)
_DEFAULT = ("not written yet", "the operations that are here, or an autograd.Function around NumPy")


@cache
def _compiled() -> tuple[tuple[re.Pattern[str], str, str], ...]:
    return tuple((re.compile(pattern), why, instead) for pattern, why, instead in _GROUPS)


def reason(space: str, name: str) -> tuple[str, str]:
    """Why a name of PyTorch's is left out, and what to use instead.

    >>> reason("", "fft")
    ('Fourier transforms work on complex tensors', 'numpy.fft and scipy')
    """
    full = f"{space}.{name}" if space else name
    for pattern, why, instead in _compiled():
        if pattern.fullmatch(full):
            return why, instead
    return _DEFAULT
