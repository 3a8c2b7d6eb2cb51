"""``posecore doctor``: what is installed, whether it works, and how to get what is missing."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from posecore import __version__
from posecore.commands.common import Common
from posecore.commands.reporting import Reporter
from posecore.errors import PosecoreError

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["Doctor", "examine"]

_NEEDED = ("numpy", "scipy", "onnxruntime", "av", "pillow", "rich", "tyro", "pygltflib")
#: Optional distribution -> the extra that brings it, and what for.
_OPTIONAL = {
    "ai-edge-litert": ("blazepose", "runs the blazepose estimator"),
    "torch": ("train", "training and the networks as modules"),
    "bpy": ("blender", "Blender as a Python module"),
}
#: Weights that everything else stands on, and those that are extra.
_WANTED = ("sapnet", "lifter", "tpnet_online", "tpnet_semi", "blazepose")


@dataclass(frozen=True, kw_only=True)
class Doctor(Common):
    """Check this installation: versions, providers, weights and their cards."""

    def execute(self, reporter: Reporter) -> None:
        """See the class."""
        facts = examine()
        reporter.answer(_tables(facts), command="doctor", **facts)
        if facts["problems"]:
            raise PosecoreError(f"problems found: {len(facts['problems'])}; they are listed above")


def examine() -> dict[str, Any]:
    """Versions, providers and weights as JSON values; ``problems`` are those that stop the work."""
    packages = {name: _version(name) for name in (*_NEEDED, *_OPTIONAL)}
    if packages["onnxruntime"] is None:  # another build gives the same module
        builds = (_version(f"onnxruntime-{kind}") for kind in ("gpu", "directml"))
        packages["onnxruntime"] = next((found for found in builds if found), None)
    problems = [f"{name} is not installed; run: pip install {name}" for name in _NEEDED if packages[name] is None]
    hints = [
        f'{name} is not installed ({use}); pip install "posecore[{extra}]"'
        for name, (extra, use) in _OPTIONAL.items()
        if packages[name] is None
    ]
    providers = _providers(problems) if packages["onnxruntime"] else []
    weights = _weights(problems, hints)
    return {
        "posecore": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": packages,
        "providers": providers,
        "weights": weights,
        "hints": hints,
        "problems": problems,
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _providers(problems: list[str]) -> list[str]:
    try:
        from posecore.runtime import available_providers

        return available_providers()
    except ImportError as error:
        problems.append(f"onnxruntime cannot be loaded ({error}); reinstall it")
        return []


def _weights(problems: list[str], hints: list[str]) -> list[dict[str, Any]]:
    """Every set of weights with its card, each file's sha256 compared."""
    from posecore.runtime import weights

    found = []
    listed = weights.listing()
    for entry in listed:
        name = entry.card.name
        try:
            weights.files(name)
            state = "ok"
        except PosecoreError as error:
            state = str(error)
            problems.append(state)
        found.append(
            {
                "name": name,
                "state": state,
                "origin": entry.origin,
                "folder": str(entry.folder),
                "card": entry.card.as_dict(),
            }
        )
    present = {entry.card.name for entry in listed}
    for name in _WANTED:
        if name not in present:
            if name in weights.ADDABLE:
                hints.append(f"no weights {name!r}; run: posecore models add {name}")
            else:
                problems.append(f"no weights {name!r}, which come with posecore; reinstall it")
    if not any(entry.card.estimator for entry in listed):
        problems.append("no estimator has weights; run: posecore models add blazepose")
    return found


def _tables(facts: dict[str, Any]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    system = Table(show_header=False, box=None, pad_edge=False)
    for key in ("posecore", "python", "executable", "platform"):
        system.add_row(key, Text(facts[key]))
    for name, found in facts["packages"].items():
        system.add_row(name, found or "–")
    system.add_row("providers", ", ".join(facts["providers"]) or "–")
    models = Table(box=None, pad_edge=False)
    for column in ("weights", "from", "state", "rank", "what"):
        models.add_column(column)
    for entry in facts["weights"]:
        card = entry["card"]
        rank = f"{card['rank']:.3f}" if "rank" in card else ""
        models.add_row(entry["name"], entry["origin"], Text(entry["state"]), rank, Text(card.get("architecture", "")))
    hints = [Text(f"hint: {hint}") for hint in facts["hints"]]
    problems = [Text("problem: ", style="red").append(text, style="default") for text in facts["problems"]]
    return Group(system, Text(), models, Text(), *hints, *(problems or [Text("all well", style="green")]))
