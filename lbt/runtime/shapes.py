"""Modules whose tensors have shapes but no values, to inspect a network that may not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_DRAWS = ("normal_", "uniform_")
"""Methods of tensors with which modules draw their first weights."""


class _WithoutFirstValues(TorchFunctionMode):
    """Draw no first weights: on the meta device PyTorch would import its compiler for them, which takes seconds."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if getattr(function, "__name__", "") in _DRAWS and args:
            return args[0]
        return function(*args, **kwargs or {})


@contextmanager
def shapes_only() -> Iterator[None]:
    """Modules that are made in the `with` block are on the meta device."""
    with torch.device("meta"), without_first_values():
        yield


def without_first_values() -> _WithoutFirstValues:
    """Modules that are made in the `with` block of this have weights of any values, which saves the time to draw."""
    return _WithoutFirstValues()
