"""Named tuples that operations with several results return, under PyTorch's names: ``tg.return_types.max``.

They are tuples first: they unpack, index and compare as such. Each is made from one sequence, as in PyTorch:
``sort((values, indices))``.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Any, ClassVar


class ReturnType(tuple[Any, ...]):
    """A tuple whose entries have names.

    Errors
    ------
    TypeError for another number of entries than the class has names.

    >>> best = max((3.0, 1))
    >>> best.values, best.indices
    (3.0, 1)
    """

    __slots__ = ()
    names: ClassVar[tuple[str, ...]] = ()

    def __new__(cls, entries: Iterable[Any]) -> "ReturnType":
        made = super().__new__(cls, entries)
        if len(made) != len(cls.names):
            raise TypeError(
                f"{cls.__name__} takes a sequence of {len(cls.names)} ({', '.join(cls.names)}), not of {len(made)}"
            )
        return made

    def __getattr__(self, name: str) -> Any:
        """Any entry that the class has a property for was found before this."""
        raise AttributeError(f"{type(self).__name__} has {', '.join(self.names)}, not {name!r}")

    def __repr__(self) -> str:
        entries = ",\n".join(f"{name}={entry!r}" for name, entry in zip(self.names, self, strict=True))
        return f"return_types.{type(self).__name__}(\n{entries})"


def _named(class_name: str, names: str) -> type[ReturnType]:
    """A class of named tuples; ``names`` is separated by spaces."""
    fields = tuple(names.split())
    properties = {name: property(itemgetter(place)) for place, name in enumerate(fields)}
    return type(class_name, (ReturnType,), {"__slots__": (), "__module__": __name__, "names": fields, **properties})


max = _named("max", "values indices")
min = _named("min", "values indices")
sort = _named("sort", "values indices")
topk = _named("topk", "values indices")
kthvalue = _named("kthvalue", "values indices")
median = _named("median", "values indices")
nanmedian = _named("nanmedian", "values indices")
mode = _named("mode", "values indices")
cummax = _named("cummax", "values indices")
cummin = _named("cummin", "values indices")
aminmax = _named("aminmax", "min max")
frexp = _named("frexp", "mantissa exponent")
histogram = _named("histogram", "hist bin_edges")
qr = _named("qr", "Q R")
svd = _named("svd", "U S V")
slogdet = _named("slogdet", "sign logabsdet")
geqrf = _named("geqrf", "a tau")
triangular_solve = _named("triangular_solve", "solution cloned_coefficient")
lu_unpack = _named("lu_unpack", "P L U")
linalg_cholesky_ex = _named("linalg_cholesky_ex", "L info")
linalg_eig = _named("linalg_eig", "eigenvalues eigenvectors")
linalg_eigh = _named("linalg_eigh", "eigenvalues eigenvectors")
linalg_inv_ex = _named("linalg_inv_ex", "inverse info")
linalg_lstsq = _named("linalg_lstsq", "solution residuals rank singular_values")
linalg_lu = _named("linalg_lu", "P L U")
linalg_lu_factor = _named("linalg_lu_factor", "LU pivots")
linalg_lu_factor_ex = _named("linalg_lu_factor_ex", "LU pivots info")
linalg_qr = _named("linalg_qr", "Q R")
linalg_slogdet = _named("linalg_slogdet", "sign logabsdet")
linalg_solve_ex = _named("linalg_solve_ex", "result info")
linalg_svd = _named("linalg_svd", "U S Vh")
