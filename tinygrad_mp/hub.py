"""``hub``: nothing is downloaded."""

from __future__ import annotations

from typing import Any, NoReturn

from tinygrad_mp.errors import UnsupportedError

__all__ = ["download_url_to_file", "list", "load", "load_state_dict_from_url"]


def _left_out(name: str) -> NoReturn:
    raise UnsupportedError(
        f"hub.{name}: this package downloads nothing", fix="fetch a safetensors file yourself, and load() it"
    )


def load(repo_or_dir: str, model: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    _left_out("load")


def list(github: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    _left_out("list")


def load_state_dict_from_url(url: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    _left_out("load_state_dict_from_url")


def download_url_to_file(url: str, dst: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Left out. UnsupportedError, a NotImplementedError."""
    _left_out("download_url_to_file")
