"""The ops of PyTorch's ``op_db`` whose samples must pass, more than 270: what ordinary programs use."""

_NAMES = """
__getitem__ __radd__ __rdiv__ __rmod__ __rmul__ __rpow__ __rsub__ abs acos acosh add addbmm addcdiv addcmul addmm
addmv addr all allclose amax amin aminmax any arange argmax argmin argsort asin asinh atan atan2 atanh atleast_1d
atleast_2d baddbmm bernoulli bincount bitwise_and bitwise_not bitwise_or bitwise_xor bmm broadcast_tensors
broadcast_to bucketize cartesian_prod cat cdist ceil cholesky chunk clamp clamp_max clamp_min clone combinations
contiguous copysign cos cosh count_nonzero cross cummax cummin cumprod cumsum deg2rad diag diag_embed diagonal diff
digamma dist div dot einsum empty_like eq equal erf erfc erfinv exp exp2 expand expand_as expm1 eye fill flatten flip
floor floor_divide fmax fmin fmod frac full full_like gather ge gt heaviside histc hstack hypot index_add index_copy
index_fill index_put index_select inner isclose isfinite isinf isnan item kron kthvalue le lerp lgamma linalg.cholesky
linalg.det linalg.eigh linalg.inv linalg.lstsq linalg.matrix_norm linalg.multi_dot linalg.norm linalg.pinv linalg.qr
linalg.slogdet linalg.solve linalg.svd linalg.vector_norm linspace log log10 log1p log2 log_softmax logaddexp
logcumsumexp logical_and logical_not logical_or logical_xor logit logsumexp lt mT masked_fill masked_select matmul max
maximum mean median meshgrid min minimum mm mode movedim mul multinomial mv nan_to_num narrow ne neg new_full new_ones
new_zeros nn.functional.adaptive_avg_pool1d nn.functional.adaptive_avg_pool2d nn.functional.adaptive_max_pool2d
nn.functional.avg_pool1d nn.functional.avg_pool2d nn.functional.batch_norm nn.functional.bilinear
nn.functional.binary_cross_entropy nn.functional.binary_cross_entropy_with_logits nn.functional.celu
nn.functional.conv1d nn.functional.conv2d nn.functional.conv_transpose1d nn.functional.conv_transpose2d
nn.functional.cosine_embedding_loss nn.functional.cosine_similarity nn.functional.cross_entropy nn.functional.dropout
nn.functional.elu nn.functional.embedding nn.functional.gaussian_nll_loss nn.functional.gelu nn.functional.glu
nn.functional.group_norm nn.functional.hardshrink nn.functional.hardsigmoid nn.functional.hardswish
nn.functional.hardtanh nn.functional.hinge_embedding_loss nn.functional.huber_loss nn.functional.instance_norm
nn.functional.interpolate nn.functional.kl_div nn.functional.l1_loss nn.functional.layer_norm nn.functional.leaky_relu
nn.functional.linear nn.functional.logsigmoid nn.functional.margin_ranking_loss nn.functional.max_pool1d
nn.functional.max_pool2d nn.functional.mish nn.functional.mse_loss nn.functional.multi_margin_loss
nn.functional.multilabel_soft_margin_loss nn.functional.nll_loss nn.functional.normalize nn.functional.one_hot
nn.functional.pad nn.functional.pairwise_distance nn.functional.pixel_shuffle nn.functional.pixel_unshuffle
nn.functional.poisson_nll_loss nn.functional.prelu nn.functional.relu nn.functional.relu6 nn.functional.rms_norm
nn.functional.scaled_dot_product_attention nn.functional.selu nn.functional.silu nn.functional.smooth_l1_loss
nn.functional.soft_margin_loss nn.functional.softmin nn.functional.softplus nn.functional.softshrink
nn.functional.softsign nn.functional.tanhshrink nn.functional.threshold nn.functional.triplet_margin_loss
nn.functional.unfold nonzero norm normal ones ones_like outer permute positive pow prod quantile rad2deg rand_like
randint randn randn_like reciprocal remainder repeat repeat_interleave reshape reshape_as roll rot90 round rsqrt
scatter scatter_add scatter_reduce searchsorted select sigmoid sign signbit sin sinc sinh softmax sort split sqrt
square squeeze stack std std_mean sub sum t take take_along_dim tan tanh tensor_split tensordot tile to topk trace
transpose tril triu true_divide trunc unbind unflatten unfold uniform unique unsqueeze var var_mean vdot view view_as
vstack where xlogy zeros zeros_like
"""
COMMON_OPS = _NAMES.split()
