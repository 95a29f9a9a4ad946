"""Functions of functions: gradients, Jacobians, Hessians, and maps over a batch, under PyTorch's names.

>>> import tinygrad_mp as tg
>>> from tinygrad_mp.func import grad, vmap
>>> vmap(grad(lambda x: x**3))(tg.tensor([1.0, 2.0]))
tensor([ 3., 12.])
"""

from tinygrad_mp.absent import lookup
from tinygrad_mp.func.batching import vmap
from tinygrad_mp.func.modules import functional_call, functionalize, stack_module_state
from tinygrad_mp.func.transforms import (
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)

__all__ = [
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]

__getattr__ = lookup("func")
