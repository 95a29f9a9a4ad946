"""What PyTorch has and this package leaves out: why, and what to use instead. Read when a lookup fails, and by docs.

The first pattern that matches ``<namespace>.<name>`` decides; there is no dot before names of the package itself.
"""

from __future__ import annotations

import re
from functools import cache

_COMPLEX = "complex tensors are not computed with"
_PAIRS = "keep the real and the imaginary part in two real tensors"
_SPARSE = "tensors are dense"
_DENSE = "a dense tensor, with a mask where one is needed; index_add and scatter_add for sparse updates"
_QUANTIZED = "quantised tensors are not supported"
_FLOATS = "float32 or float16 tensors"
_COMPILER = "programs run as they are written; nothing is compiled or traced"
_PLAIN = "call the Python function itself"
_ONE = "one process; threads share the work inside it (set_num_threads)"
_DEVICES = "a matter of devices that this package does not drive"
_NUMPY = "NumPy, by x.numpy() and from_numpy"
_INTERNAL = "PyTorch's own machinery"
_NOTHING = "nothing: programs do not need it"

_GROUPS: tuple[tuple[str, str, str], ...] = (
    (r"fft|(Tensor\.)?i?stft|signal|\w+_window", "Fourier transforms work on complex tensors", "numpy.fft and scipy"),
    (
        r"distributed|rpc|multiprocessing|(utils\.data\.)?DistributedSampler|(Tensor\.)?is_distributed|nn\.SyncBatchNorm"
        r"|nn\.DataParallel|(Tensor\.)?share_memory_|(Tensor\.)?is_shared|prepare_multiprocessing_environment",
        "a program runs in one process",
        _ONE,
    ),
    (
        r"jit|Script\w*|LiteScriptModule|CompilationUnit|fork|wait|import_ir_module\w*|parse_\w+|Future",
        _COMPILER,
        _PLAIN,
    ),
    (
        r"export|fx|onnx|package|(cond|while_loop)|func\.(functionalize|linearize|debug_unwrap|rearrange)|sym_\w+|Sym\w+",
        _COMPILER,
        _PLAIN,
    ),
    (r"hub", "nothing is downloaded", "load() of a safetensors file"),
    (
        r"profiler|monitor|autograd\.profiler\w*|(cuda\.)?profiler",
        "there is no profiler of our own",
        "cProfile, or perf",
    ),
    (r"nested|(Tensor\.)?is_nested|jagged|Tensor\.to_padded_tensor", "nested tensors are a prototype", "pad_sequence"),
    (r"masked", "masked tensors are a prototype", "where, masked_fill and masked_select"),
    (
        r"(Tensor\.)?(names|rename_?|align_\w+|refine_names|has_names|name)",
        "named tensors are a prototype",
        "dims by their numbers; einsum names them in a formula",
    ),
    (
        r"(Tensor\.)?(\w*sparse\w*|coalesce|is_coalesced|\w*c\w*_indices(_copy)?|row_indices(_copy)?|col_indices(_copy)?"
        r"|indices(_copy)?|values(_copy)?|to_dense|dense_dim|s?smm|h?spmm|hsmm|dsmm|sspaddmm|saddmm)",
        _SPARSE,
        _DENSE,
    ),
    (r"optim\.SparseAdam|nn\.functional\.sparse\w*", _SPARSE, "Adam, or a dense initialisation"),
    (
        r"(Tensor\.)?(\w*quant\w*|q_\w+|qscheme|int_repr|per_(tensor|channel)_\w+|q?u?int\dx\d|qu?int\d+|Q\w+Storage"
        r"|choose_qparams_optimized|fbgemm_\w+|\w*fake_quant\w*)|quantization|nn\.(quantized|quantizable|qat|intrinsic)",
        _QUANTIZED,
        _FLOATS,
    ),
    (
        r"(bfloat16|float8_\w+|float4_\w+|bits\w*|bit|u?int[1-7]|uint16|uint32|uint64|complex32|chalf)"
        r"|Tensor\.(bfloat16|chalf)|BFloat16\w+|cuda\.BFloat16\w+",
        "NumPy has no such dtype, or programs rarely use it",
        "float16, float32, int64 and their kin",
    ),
    (
        r"(Tensor\.)?(complex|polar|view_as_(real|complex)(_copy)?|conj\w*|resolve_(conj|neg)|is_(conj|neg)|imag|real|angle"
        r"|isreal|H|adjoint|cfloat|cdouble|sgn_?|eig|eigvals)|linalg\.(eig|eigvals)|Complex\w+|cuda\.Complex\w+",
        _COMPLEX,
        _PAIRS,
    ),
    (
        r"(Tensor\.)?(cudnn|miopen|mkldnn|is_vulkan|is_mkldnn|to_mkldnn)\w*|has_(mkl|lapack|openmp|spectral)",
        "the entry of one backend library",
        "the function without the library's name, such as conv2d",
    ),
    (
        r"(Tensor\.)?(xpu|mps|ipu|mtia|is_(ipu|maia|meta|mps|mtia|vulkan|xla|xpu))|backends\.(?!cudnn|mps|cuda)\w+",
        _DEVICES,
        'device="cpu" or device="cuda"',
    ),
    (r"(cuda\.)?(Stream\w*|Event|\w*stream\w*|CUDAGraph|graph\w*|make_graphed_callables)", _DEVICES, "synchronize()"),
    (r"cuda\.\w+", _DEVICES, "what tinygrad_mp.cuda has, and CuPy for the rest"),
    (
        r"(Tensor\.)?(\w*[sS]torage\w*|set_|as_subclass|const_data_ptr|record_stream|module_load|is_set_to|StorageBase)"
        r"|from_file|DeserializationStorageContext|UntypedStorage|TypedStorage",
        "storages are not visible",
        "x.numpy(), over the same memory",
    ),
    (
        r"autograd\.(graph|forward_ad|NestedIOFunction|enforce_grad_layout_policy|variable|\w*multithreading\w*"
        r"|grad_mode|set_multithreading_enabled)",
        _INTERNAL,
        "grad, backward, Function and func",
    ),
    (
        r"overrides|\w*torch_function\w*|DisableTorchFunction\w*|nn\.functional\.\w*torch_function\w*",
        _INTERNAL,
        _NOTHING,
    ),
    (
        r"nn\.init\.(uniform|normal|constant|eye|dirac|xavier_uniform|xavier_normal|kaiming_uniform|kaiming_normal"
        r"|orthogonal|sparse)|nn\.utils\.clip_grad_norm|nn\.(Container|NLLLoss2d)|Tensor\.(volatile|new)",
        "deprecated by PyTorch",
        "the current name: with an underscore at its end, or NLLLoss",
    ),
    (
        r"utils\.data\.(\w*Data[Pp]ipe\w*|DataChunk|argument_validation|runtime_validation\w*|\w*determinis\w*)",
        "data pipes are deprecated by PyTorch",
        "Dataset, IterableDataset and DataLoader",
    ),
    (
        r"(Tensor\.)?(symeig|eig|lstsq|matrix_rank|solve|triangular_solve|lu|lu_solve|lu_unpack|geqrf|orgqr|ormqr|lobpcg"
        r"|svd_lowrank|pca_lowrank)"
        r"|linalg\.(householder_product|ldl_\w+|lu\w*|common_notes)",
        "a rare decomposition",
        "linalg.solve, lstsq, cholesky, qr, svd and eigh",
    ),
    (
        r"(Tensor\.)?(igamma\w*|i0_?|polygamma_?|mvlgamma_?|digamma_?|lgamma_?|erfinv_?)|special\.\w+",
        "a special function without a kernel in NumPy",
        "scipy.special inside an autograd.Function",
    ),
    (r"(Tensor\.)?\w+_copy", "copies of views, for PyTorch's compiler", "the name without _copy, then .clone()"),
    (r"(Tensor\.)?(unsafe_\w+|native_\w+)|nn\.functional\.native_\w+", _INTERNAL, "the name without its first word"),
    (
        r"(Tensor\.)?\w+_scatter|(Tensor\.)?slice_inverse",
        "functional forms of writing into a view",
        "y = x.clone(), then y[...] = value",
    ),
    (
        r"batch_norm_\w+|embedding_renorm_|rnn_\w+|gru\w*|lstm\w*|conv_tbc|nn\.functional\.conv_tbc|convolution"
        r"|constant_pad_nd|norm_except_dim|affine_grid_generator|grid_sampler\w*|\w+_cell|nuclear_norm|frobenius_norm",
        "the engine of a function or layer of PyTorch's",
        "that function in nn.functional, or that layer in nn",
    ),
    (
        r"nn\.functional\.(\w+_with_indices|multi_head_attention_forward|assert_int_or_pair|\w*grouped_mm|scaled_mm"
        r"|boolean_dispatch|handle_\w+|ScalingType|SwizzleType)",
        _INTERNAL,
        "the function without the suffix; return_indices=True gives indices",
    ),
    (
        r"nn\.(functional\.)?(FractionalMaxPool\dd|fractional_max_pool\dd|CrossMapLRN2d|AdaptiveLogSoftmaxWithLoss"
        r"|LinearCrossEntropy\w+|linear_cross_entropy)|nn\.utils\.parametrizations\.orthogonal",
        "rare in the programs that this package is for",
        "a few operations that are here",
    ),
    (
        r"nn\.utils\.(fuse_\w+|convert_\w+|stateless|prune)|nn\.(common_types|grad|attention|parallel"
        r"|modules|parameter)",
        _INTERNAL,
        "functional_call of tinygrad_mp.func, and the layers themselves",
    ),
    (r"optim\.Muon", "not among the optimizers that most programs use", "SGD with nesterov=True, or AdamW"),
    (r"optim\.Adafactor", "not among the optimizers that most programs use", "AdamW, or RMSprop to save memory"),
    (r"optim\.swap_\w+", _INTERNAL, "load_state_dict"),
    (
        r"(Tensor\.)?(histogram\w*|hash_tensor|geometric_|cauchy_|log_normal_|segment_reduce|nonzero_static|frexp|ldexp_?"
        r"|nextafter_?|gcd_?|lcm_?|bitwise_(left|right)_shift_?|renorm_?|dist|as_strided\w*|empty_strided|empty_permuted"
        r"|new_empty_strided|cov|corrcoef|gradient|cumulative_trapezoid|trapz|trapezoid|logdet|matrix_exp|chain_matmul"
        r"|index_reduce_?|put_?|masked_scatter_?|nan(mean|median|quantile|sum)|combinations|block_diag|binomial|poisson)",
        "rare in the programs that this package is for",
        _NUMPY,
    ),
    (
        r"\w*autocast\w*|amp\.\w+",
        "float16 is not chosen by itself",
        "the inert switches of tinygrad_mp.amp, or x.half()",
    ),
    (
        r"(Tensor\.)?(apply_|map_|map2_|reinforce|resize|resize_as|resize_|resize_as_|output_nr|is_pinned|is_same_size|grad_dtype"
        r"|to_dlpack|is_inference|dim_order|retains_grad)",
        _INTERNAL,
        "a new tensor from the values",
    ),
    (
        r"distributions\.\w+",
        "not among the distributions that most programs use",
        "Normal, Bernoulli, Categorical, Uniform and MultivariateNormal",
    ),
    (r"utils\.checkpoint\.\w+", "memory is not traded for time", "call the function itself"),
    (
        r"[A-Z]\w*|are_\w+|init_num_threads|[gs]et_(deterministic|num_interop|flush|warn|float32|device|default_device|file)\w*"
        r"|is_(deterministic|warn|anomaly|inference|storage|vulkan)\w*|use_deterministic_algorithms|unify_type_list|cpp"
        r"|merge_type_from_type_comment|classproperty|compiled_with_\w+|profiler_\w+|thread_safe_generator|typename|memory_format"
        r"|layout|random\.\w+|nn\.utils\.rnn\.\w+",
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
