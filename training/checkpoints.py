"""Check-points: written atomically, read without executing anything.

A whole check-point is for resuming; the averaged weights alone, in float16 as safetensors, are small enough
to keep in the repository and start another run from.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from posecore.errors import SourceError
from posecore.files import atomic_path

__all__ = ["load_checkpoint", "load_facts", "load_weights", "save_checkpoint", "save_weights"]


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values so that a stop at any moment leaves the old file or the new one."""
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a check-point; only tensors and plain values are admitted.

    Raises:
        SourceError: missing or not a check-point.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such check-point") from None
    except Exception as error:
        raise SourceError(f"{path}: not a check-point ({error})") from error


def save_weights(path: Path, weights: Mapping[str, Tensor], facts: Mapping[str, bool] | None = None) -> None:
    """Write tensors as safetensors, floating ones in float16; ``facts`` that hold go into the header."""
    small = {name: (v.half() if v.is_floating_point() else v).contiguous() for name, v in weights.items()}
    with atomic_path(path) as temporary:
        save_file(small, temporary, {name: "yes" for name, holds in (facts or {}).items() if holds})


def load_facts(path: Path) -> dict[str, Any]:
    """What is known of how weights were made: a check-point's facts, or those in a ``.safetensors``' header.

    Raises:
        SourceError: missing or neither.
    """
    if path.suffix != ".safetensors":
        return dict(load_checkpoint(path).get("facts", {}))
    try:
        with safe_open(path, "pt") as stream:
            return {name: value == "yes" for name, value in (stream.metadata() or {}).items()}
    except FileNotFoundError:
        raise SourceError(f"{path}: no such weights") from None
    except (OSError, SafetensorError) as error:
        raise SourceError(f"{path}: not a safetensors file ({error})") from error


def load_weights(path: Path) -> dict[str, Tensor]:
    """The averaged weights of a check-point, or the tensors of a ``.safetensors``, floating ones in float32.

    Raises:
        SourceError: missing or neither.
    """
    if path.suffix != ".safetensors":
        saved = load_checkpoint(path)["average"]
        return {name.removeprefix("module."): v for name, v in saved.items() if name.startswith("module.")}
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such weights") from None
    except Exception as error:
        raise SourceError(f"{path}: not a safetensors file ({error})") from error
    return {name: v.float() if v.is_floating_point() else v for name, v in tensors.items()}
