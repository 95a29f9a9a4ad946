"""``Module``: a layer or a model; keeps track of its parameters, its buffers and the modules inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from tinygrad_mp import gradients
from tinygrad_mp.dtypes import float16, float32, float64
from tinygrad_mp.errors import SettingError
from tinygrad_mp.nn.moving import conversion, convert
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.nn.state import Saved
from tinygrad_mp.tensor import Tensor


class Module(Saved):
    """Base of all layers and models: assign parameters and layers to attributes, and write ``forward``.

    A :class:`Parameter` assigned to an attribute is registered as a parameter, a Module as a submodule; a tensor that
    is saved and moved along but not learned is registered with :meth:`register_buffer`.

    >>> from tinygrad_mp import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = nn.Linear(4, 8)
    ...         self.out = nn.Linear(8, 2, bias=False)
    ...     def forward(self, x):
    ...         return self.out(self.hidden(x).tanh())
    >>> [name for name, _ in Net().named_parameters()]
    ['hidden.weight', 'hidden.bias', 'out.weight']
    """

    training: bool

    def __init__(self) -> None:
        super().__init__()
        self.__dict__["training"] = True

    # --- walking ---

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with their paths (``""`` for this one)."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, _join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one, each once, with their names."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside this one, each once."""
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their paths, each once though several modules may share it.

        With ``recurse=False`` only those of this module itself; with ``remove_duplicate=False`` under every path.
        """
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their paths, as :meth:`named_parameters`."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _named(self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in module.__dict__[registry].items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield _join(path, name), value

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as ``"encoder.0"``; ``""`` is this one. AttributeError if there is none."""
        module: Module = self
        for name in target.split(".") if target else ():
            found = module.__dict__["_modules"].get(name)
            if found is None:
                known = ", ".join(module.__dict__["_modules"]) or "none"
                raise AttributeError(f"{target!r}: {type(module).__name__} has no submodule {name!r}; it has {known}")
            module = found
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"encoder.0.weight"``. AttributeError if there is none."""
        return _entry(self, target, Parameter, "_parameters")  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"norm.running_mean"``. AttributeError if there is none."""
        return _entry(self, target, Tensor, "_buffers")  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a path; with ``strict`` one must be there already."""
        if not target:
            raise SettingError("set_submodule: the path is empty, a module cannot replace itself")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"{target!r}: {type(parent).__name__} has no submodule {name!r}")
        if not isinstance(module, Module):
            raise SettingError(f"set_submodule takes a Module, not a {type(module).__name__}")
        setattr(parent, name, module)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call ``fn`` on every module below this one, then on this one. Returns self.

        >>> from tinygrad_mp import nn
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> net = net.apply(lambda module: print(type(module).__name__))
        Linear
        ReLU
        Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # --- modes and gradients ---

    def train(self, mode: bool = True) -> Self:
        """Set training mode, or evaluation mode, here and below; dropout and its kin ask for it. Returns self."""
        if not isinstance(mode, bool):
            raise SettingError(f"train takes True or False, not {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and below. Returns self."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Learn the parameters of this module, or freeze them. Returns self."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or with ``set_to_none=False`` fill them with zeros."""
        gradients.clear(self.parameters(), set_to_none)

    # --- moving ---

    def to(self, *args: Any, device: Any = None, dtype: Any = None, **ignored: Any) -> Self:
        """Move parameters and buffers to a device, to a floating dtype, or both; in place. Returns self.

        Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)`` or with keywords. Integer and
        boolean buffers keep their dtype. ``non_blocking`` and ``memory_format`` are accepted for PyTorch's sake and
        change nothing.
        """
        unknown = set(ignored) - {"non_blocking", "memory_format"}
        if unknown:
            raise TypeError(f"to() got unexpected keyword arguments {sorted(unknown)}")
        convert(self, conversion(args, device, dtype))
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to a device without regard to the values, which are then arbitrary. Returns self."""
        return self.to(device=device)

    def type(self, dst_type: Any) -> Self:
        """Convert floating parameters and buffers to a dtype. Returns self."""
        return self.to(dtype=dst_type)

    def share_memory(self) -> Self:
        """Do nothing: threads share memory anyway. Returns self."""
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: there is no compiler, and the module runs as it is."""

    def cpu(self) -> Self:
        """Move parameters and buffers to the CPU. Returns self."""
        return self.to(device="cpu")

    def cuda(self, device: Any = None) -> Self:
        """Move parameters and buffers to a CUDA device, by default the first. Returns self."""
        return self.to(device="cuda" if device is None else device)

    def float(self) -> Self:
        """Convert floating parameters and buffers to float32. Returns self."""
        return self.to(dtype=float32)

    def double(self) -> Self:
        """Convert floating parameters and buffers to float64. Returns self."""
        return self.to(dtype=float64)

    def half(self) -> Self:
        """Convert floating parameters and buffers to float16. Returns self."""
        return self.to(dtype=float16)

    # --- showing ---

    def extra_repr(self) -> str:
        """What ``repr`` shows of this module besides its submodules; to be overridden."""
        return ""

    def _get_name(self) -> str:
        return self.__class__.__name__

    def _child_lines(self) -> list[str]:
        return [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), self._child_lines()
        name = self._get_name()
        if not children and "\n" not in extra:
            return f"{name}({extra})"
        lines = "\n  ".join([*extra.splitlines(), *children])
        return f"{name}(\n  {lines}\n)"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _entry(module: Module, target: str, kind: Any, registry: str) -> Any:
    path, _, name = target.rpartition(".")
    module = module.get_submodule(path)
    value = module.__dict__[registry].get(name)
    if not isinstance(value, kind):
        known = ", ".join(module.__dict__[registry]) or "none"
        raise AttributeError(f"{target!r} is not one of the {registry[1:]} of {type(module).__name__}: {known}")
    return value
