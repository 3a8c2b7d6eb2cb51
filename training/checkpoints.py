"""Check-points: written atomically, read without executing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from posecore.errors import SourceError
from posecore.files import atomic_path

__all__ = ["load_checkpoint", "save_checkpoint"]


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
