"""``ModelCard``: what a set of weights is, where it came from, and how well it does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from posecore.errors import PosecoreError
from posecore.files import atomic_path

__all__ = ["ModelCard", "read_card", "sha256_of", "write_card"]


@dataclass(frozen=True)
class ModelCard:
    """The JSON beside a set of weights, ``NAME.json``. Only ``name`` and ``files`` are required.

    Attributes:
        name: what the user types, and the stem of the files.
        version: of these weights, not of posecore.
        files: file name (relative to the card) -> sha256 in hexadecimal; the first is the main one.
        architecture: one line, e.g. ``"SAP-Net, 2 stacks, 128 channels, 192 px"``.
        inputs: tensor name -> shape, type, unit and frame, in words.
        outputs: likewise.
        training_data: one mapping a data set: ``{"name", "licence", "share"}``.
        licence: of the weights, an SPDX expression or words.
        restricted: trained on data that is for research only.
        recipe: the command that reproduces the weights.
        epochs: how long they were trained.
        seed: of the training.
        metrics: named data -> metric name -> value.
        estimator: the estimator that these weights make (``sapnet``, ``blazepose``); None for a part of one.
        rank: the figure by which ``--estimator auto`` chooses, higher is better; None never chooses it.
        rank_metric: what ``rank`` measures, on which data.
        options: what the code must know to use the weights (input size, mean, window, ...).
        notes: anything else.
    """

    name: str
    files: Mapping[str, str]
    version: str = "1"
    architecture: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    training_data: tuple[Mapping[str, Any], ...] = ()
    licence: str = ""
    restricted: bool = False
    recipe: str = ""
    epochs: float | None = None
    seed: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    estimator: str | None = None
    rank: float | None = None
    rank_metric: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; empty fields are left out."""
        return {k: v for k, v in asdict(self).items() if v not in ("", None, {}, (), [])}


def read_card(path: Path) -> ModelCard:
    """Read a card.

    ``"sha256": "…"`` may stand for ``"files": {"NAME.onnx": "…"}``; unknown keys are kept in ``options``.

    Raises:
        PosecoreError: not JSON, or without a name or files.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("not a JSON object")
        data.setdefault("name", path.stem)
        digest = data.pop("sha256", None)
        if "files" not in data:
            if not digest:
                raise ValueError('neither "files" nor "sha256" is there')
            data["files"] = {f"{data['name']}.onnx": digest}
        if not isinstance(data["files"], dict) or not data["files"]:
            raise ValueError('"files" must map file names to sha256')
        _refuse_outside(data["files"])
        known = {f.name for f in fields(ModelCard)}
        extra = {key: data.pop(key) for key in list(data) if key not in known}
        data["options"] = {**extra, **data.get("options", {})}
        data["training_data"] = tuple(data.get("training_data", ()))
        return ModelCard(**data)
    except (OSError, ValueError, TypeError) as error:
        raise PosecoreError(f"{path}: not a model card ({error})") from error


def _refuse_outside(names: Mapping[str, str]) -> None:
    """A card may only name files beside or below itself."""
    for name in names:
        if Path(name).is_absolute() or ".." in Path(name).parts or "\\" in name or ":" in name:
            raise ValueError(f"file name {name!r} leaves the store")


def write_card(path: Path, card: ModelCard) -> None:
    """Write a card atomically as indented JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(card.as_dict(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
