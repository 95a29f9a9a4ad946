"""``Module``: a layer or a model; keeps track of its parameters, its buffers and the modules inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

from tinygrad_mp import gradients
from tinygrad_mp.autograd import RemovableHook
from tinygrad_mp.dtypes import float16, float32, float64
from tinygrad_mp.nn.attributes import Attributes
from tinygrad_mp.nn.moving import conversion, convert
from tinygrad_mp.nn.parameter import Parameter
from tinygrad_mp.nn.state import IncompatibleKeys, load
from tinygrad_mp.tensor import Tensor


class _Hook(NamedTuple):
    function: Callable[..., Any]
    with_kwargs: bool


class Module(Attributes):
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
    _forward_pre_hooks: list[_Hook]
    _forward_hooks: list[_Hook]

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(training=True, _forward_pre_hooks=[], _forward_hooks=[])

    # --- calling ---

    def _forward_is_missing(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward method")

    forward: Callable[..., Any] = _forward_is_missing

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run :meth:`forward`, with the hooks around it."""
        if self._forward_pre_hooks or self._forward_hooks:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for hook, with_kwargs in tuple(self._forward_pre_hooks):
            answer = hook(self, args, kwargs) if with_kwargs else hook(self, args)
            if answer is None:
                continue
            if not with_kwargs:
                args = answer if isinstance(answer, tuple) else (answer,)
            elif isinstance(answer, tuple) and len(answer) == 2:
                args, kwargs = answer
            else:
                raise TypeError(f"a forward pre-hook with kwargs must return None or (args, kwargs), not {answer!r}")
        output = self.forward(*args, **kwargs)
        for hook, with_kwargs in tuple(self._forward_hooks):
            answer = hook(self, args, kwargs, output) if with_kwargs else hook(self, args, output)
            if answer is not None:
                output = answer
        return output

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHook:
        """Call ``hook(module, args)`` before ``forward``; what it returns, unless None, replaces the arguments.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)``, returning None or ``(args, kwargs)``.
        ``prepend`` puts it before the hooks that are there. ``remove()`` on the result takes it off.
        """
        return _add_hook(self._forward_pre_hooks, _Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHook:
        """Call ``hook(module, args, output)`` after ``forward``; what it returns, unless None, replaces the output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``. ``prepend`` and the result are as for
        :meth:`register_forward_pre_hook`.

        >>> from tinygrad_mp import nn, tensor
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_hook(lambda module, args, output: output + 1):
        ...     layer(tensor([-1.0, 2.0]))
        tensor([1., 3.])
        """
        return _add_hook(self._forward_hooks, _Hook(hook, with_kwargs), prepend)

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
            raise TypeError(f"train takes True or False, not {mode!r}")
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

    def to(self, *args: Any, device: Any = None, dtype: Any = None, non_blocking: bool = False) -> Self:
        """Move parameters and buffers to a device, to a floating dtype, or both; in place. Returns self.

        Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)`` or with keywords. Integer and
        boolean buffers keep their dtype. ``non_blocking`` is accepted for PyTorch's sake and changes nothing.
        """
        convert(self, conversion(args, device, dtype))
        return self

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

    # --- saving ---

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by path, as detached tensors over the same memory.

        ``prefix`` goes before every name; ``keep_vars`` gives the parameters themselves; ``destination`` is filled.

        >>> from tinygrad_mp import nn
        >>> {name: value.shape for name, value in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        state = {} if destination is None else destination
        for name, value in (*self._parameters.items(), *self._buffers.items()):
            if value is not None and name not in self._non_persistent:
                state[prefix + name] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> IncompatibleKeys:
        """Copy values into the parameters and buffers, which keep their memory, dtype and device.

        Parameters
        ----------
        state_dict : mapping of str to Tensor or array
        strict : bool, default True
            Names must match exactly.

        Returns
        -------
        IncompatibleKeys
            ``missing_keys`` and ``unexpected_keys``; both empty if ``strict``.

        Errors
        ------
        TinygradError listing all that does not fit, missing and unexpected names and wrong shapes; then nothing has
        been changed.
        """
        return load(self, state_dict, strict)

    # --- showing ---

    def extra_repr(self) -> str:
        """What ``repr`` shows of this module besides its submodules; to be overridden."""
        return ""

    def _child_lines(self) -> list[str]:
        return [f"({name}): {_indent(repr(module))}" for name, module in self._modules.items()]

    def __repr__(self) -> str:
        extra, children = self.extra_repr(), self._child_lines()
        name = type(self).__name__
        if not children and "\n" not in extra:
            return f"{name}({extra})"
        lines = "\n  ".join([*extra.splitlines(), *children])
        return f"{name}(\n  {lines}\n)"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _indent(text: str) -> str:
    return text.replace("\n", "\n  ")


def _add_hook(hooks: list[_Hook], hook: _Hook, prepend: bool) -> RemovableHook:
    hooks.insert(0 if prepend else len(hooks), hook)
    return RemovableHook(hooks, hook)
