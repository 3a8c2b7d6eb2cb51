"""Runs headless commands of the add-on in a child process, for the tests of both of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.blender import harness

WALK = harness.ROOT / "examples" / "walk.mp4"
TRUTH = harness.ROOT / "examples" / "walk_truth.npz"


@dataclass(frozen=True)
class Said:
    """One command's exit code and what it wrote."""

    code: int
    stdout: str
    stderr: str
    spent: float
    memory: float

    @property
    def errors(self) -> list[str]:
        """The lines that begin with ``error:``."""
        return [line for line in self.stderr.splitlines() if line.startswith("error:")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def runner(run: Callable[..., dict[str, Any]], folder: Path) -> Callable[..., list[Said]]:
    """``commands(scene, *lines, **more)``: every line, a list of words, in a fresh copy of ``scene``."""

    def commands(scene: str, *lines: list[object], timeout: float = 180.0, **more: Any) -> list[Said]:
        asked = folder / "asked.json"
        words = [[str(word) for word in line] for line in lines]
        asked.write_text(json.dumps({"scene": scene, "commands": words, **more}), encoding="utf-8")
        results = run("run_commands.py", asked, timeout=timeout)["results"]
        return [Said(**{name: result[name] for name in Said.__dataclass_fields__}) for result in results]

    return commands
