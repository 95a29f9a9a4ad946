"""Which names of NumPy CuPy has, from the comparison table in CuPy's documentation, held to CuPy 13.

https://docs.cupy.dev/en/stable/reference/comparison.html. A name that is missing here is missing on the strict
device too: among others ``errstate``, ``nditer``, ``insert``, ``frompyfunc``, ``put_along_axis``,
``sliding_window_view``, ``vecdot``, and the names of the array API standard that NumPy 2 added (``concat``,
``permute_dims``, ``acos``, ``pow``, ``cumulative_sum``, ...), which came with CuPy 14 only.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CONSTANTS = _words("e euler_gamma inf nan newaxis pi")

DTYPES = _words("""
    bool_ byte complex128 complex64 complexfloating csingle double dtype finfo float16 float32 float64 floating generic
    half iinfo inexact int16 int32 int64 int8 int_ intc integer intp longlong number short signedinteger single ubyte
    uint uint16 uint32 uint64 uint8 uintc uintp ulonglong unsignedinteger ushort
    """)

ON_HOST = _words(
    "broadcast_shapes can_cast get_array_module isscalar issubdtype min_scalar_type ndim promote_types result_type "
    "shape size"
)
"""Functions that answer with Python objects about arrays, without looking at entries."""

FROM_HOST = _words("array asarray asanyarray ascontiguousarray asfortranarray")
"""Functions that move a NumPy array to the device because they were asked to."""

UFUNCS = _words("""
    abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_not bitwise_or
    bitwise_xor cbrt ceil conj conjugate copysign cos cosh deg2rad degrees divide divmod equal exp exp2 expm1
    float_power floor floor_divide fmax fmin fmod frexp gcd greater greater_equal heaviside hypot invert isfinite isinf
    isnan lcm ldexp left_shift less less_equal log log10 log1p log2 logaddexp logaddexp2 logical_and logical_not
    logical_or logical_xor matmul maximum minimum mod modf multiply negative nextafter not_equal positive power rad2deg
    radians reciprocal remainder right_shift rint sign signbit sin sinh sqrt square subtract tan tanh true_divide trunc
    """)

FUNCTIONS = _words("""
    all allclose amax amin angle any append apply_along_axis arange argmax argmin argpartition argsort argwhere around
    array_equal array_split atleast_1d atleast_2d atleast_3d average bartlett bincount blackman broadcast_arrays
    broadcast_to choose clip column_stack compress concatenate convolve copy copyto corrcoef correlate count_nonzero
    cov cross cumprod cumsum delete diag diag_indices diag_indices_from diagflat diagonal diff digitize dot dsplit
    dstack ediff1d einsum empty empty_like expand_dims extract eye fill_diagonal fix flatnonzero flip fliplr flipud
    full full_like geomspace gradient hamming hanning histogram histogram2d histogramdd hsplit hstack i0 identity imag
    in1d indices inner interp intersect1d isclose iscomplex isin isneginf isposinf isreal ix_ kaiser kron lexsort
    linspace logspace max may_share_memory mean median meshgrid min moveaxis nan_to_num nanargmax nanargmin nancumprod
    nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar nonzero ones ones_like outer packbits pad
    partition percentile piecewise place polyfit polyval prod ptp put putmask quantile ravel ravel_multi_index real
    repeat require reshape resize roll rollaxis roots rot90 round searchsorted select setdiff1d shares_memory sinc sort
    split squeeze stack std sum swapaxes take take_along_axis tensordot tile trace transpose tri tril tril_indices
    tril_indices_from trim_zeros triu triu_indices triu_indices_from union1d unique unpackbits unravel_index unwrap
    vander var vdot vsplit vstack where zeros zeros_like
    """)

LINALG = _words(
    "cholesky det eigh eigvalsh inv lstsq matrix_power matrix_rank norm pinv qr slogdet solve svd tensorinv tensorsolve"
)

FFT = _words(
    "fft fft2 fftfreq fftn fftshift hfft ifft ifft2 ifftn ifftshift ihfft irfft irfft2 irfftn rfft rfft2 rfftfreq rfftn"
)

GENERATOR = _words(
    "beta binomial chisquare dirichlet exponential f gamma geometric hypergeometric integers logseries poisson power "
    "random rayleigh standard_exponential standard_gamma standard_normal uniform"
)
"""Methods of ``cupy.random.Generator``; it lacks normal, permutation, shuffle and choice."""

STRIDE_TRICKS = frozenset({"as_strided"})

METHODS = _words("""
    all any argmax argmin argpartition argsort astype choose clip compress conj conjugate copy cumprod cumsum diagonal
    dot fill flatten max mean min nonzero partition prod put ravel repeat reshape round searchsorted sort squeeze std
    sum swapaxes take trace transpose var view
    """)
"""Methods of ``cupy.ndarray`` that answer with arrays."""

ATTRIBUTES = _words("dtype flags itemsize nbytes ndim shape size strides")
"""Attributes of ``cupy.ndarray`` that live on the host."""
