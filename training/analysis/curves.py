"""Training curves from the ``log.jsonl`` that every recipe writes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from posecore.errors import PosecoreError, SourceError
from training.analysis.figures import figure, save_figure, write_rows

__all__ = ["AXES", "draw", "figures_of", "panel_grid", "read_log"]

#: What a curve can run over: where the log says so, and in what unit.
AXES = {"step": "steps", "elapsed": "minutes", "seconds": "seconds"}
_BOOKKEEPING = {*AXES, "stage", "stage_step", "stage_elapsed", "lr", "learning_rate"}
_PANELS = 12


def read_log(run: Path) -> list[dict[str, Any]]:
    """The records of a run's ``log.jsonl`` (its folder, or the file), oldest first.

    Raises:
        SourceError: there is none, or it is not JSON lines.
    """
    path = Path(run) / "log.jsonl" if Path(run).is_dir() else Path(run)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SourceError(f"{path}: no log there ({error.strerror}); expected the folder of a training run") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            if number == len(lines):
                break  # the run is writing it just now, or was stopped while it did
            raise SourceError(f"{path}: line {number} is no JSON object; expected a training log")
        records.append(record)
    if not records:
        raise SourceError(f"{path}: empty; no step of the run has been logged")
    return records


def figures_of(logs: Iterable[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Names of what the logs record beside the bookkeeping, losses last."""
    names = {
        key: None
        for log in logs
        for record in log
        for key, value in record.items()
        if key not in _BOOKKEEPING and isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return sorted(names, key=lambda name: name.startswith("loss"))


def panel_grid(count: int) -> tuple[int, int]:
    """Rows and columns for so many panels, at most four beside each other."""
    columns = min(4, count) if count != 4 else 2
    return math.ceil(count / columns), columns


def draw(
    output: Path, runs: Sequence[Path], keys: Sequence[str] = (), axis: str = "", name: str = "training_curves"
) -> list[Path]:
    """``NAME.png`` and ``NAME.csv``: a panel per figure, a line per run.

    Args:
        runs: folders of runs, or log files.
        keys: figures to show; default the first dozen that are recorded.
        axis: of :data:`AXES`; default the first that every log has.

    Raises:
        PosecoreError: nothing to draw, or no such figure or axis.
    """
    logs = {_label(run, runs): read_log(run) for run in runs}
    if not logs:
        raise PosecoreError("nothing to draw: give folders of runs with --runs")
    recorded = figures_of(logs.values())
    unknown = set(keys) - set(recorded)
    if unknown:
        raise PosecoreError(f"--keys {', '.join(sorted(unknown))}: not in the logs; they have {', '.join(recorded)}")
    shown = list(keys) or recorded[:_PANELS]
    shared = [known for known in AXES if all(known in log[0] for log in logs.values())]
    axis = axis or (shared[0] if shared else "")
    if axis not in shared:
        raise PosecoreError(f"--axis {axis or '?'}: not in every log; choose one of {', '.join(shared) or 'none'}")

    rows, columns = panel_grid(len(shown))
    drawn = figure(3.4 * columns + 0.4, 2.5 * rows + 0.3)
    panels = drawn.subplots(rows, columns, squeeze=False).ravel()
    for panel, key in zip(panels, shown, strict=False):
        for number, log in enumerate(logs.values()):
            points = [(record[axis], record[key]) for record in log if key in record]
            if points:
                marker = "." if len(points) < 60 else None
                panel.plot(*zip(*points, strict=True), color=f"C{number % 10}", marker=marker)
        panel.set_title(key, fontsize=9)
        panel.set_xlabel(AXES[axis], fontsize=8)
        panel.tick_params(labelsize=7)
    for panel in panels[len(shown) :]:
        panel.remove()
    if len(logs) > 1:
        lines = [panels[0].plot([], [], color=f"C{n % 10}", label=label)[0] for n, label in enumerate(logs)]
        drawn.legend(handles=lines, loc="outside lower center", ncols=min(len(logs), 5), fontsize=8)
    table = [
        {"run": label, axis: record.get(axis)} | {key: record.get(key) for key in shown}
        for label, log in logs.items()
        for record in log
    ]
    return [save_figure(drawn, output / f"{name}.png"), write_rows(output / f"{name}.csv", table)]


def _label(run: Path, runs: Sequence[Path]) -> str:
    """The folder's name, with its parent's where two have the same."""
    folder = Path(run) if Path(run).is_dir() else Path(run).parent
    names = [(Path(other) if Path(other).is_dir() else Path(other).parent).name for other in runs]
    return folder.name if names.count(folder.name) == 1 else f"{folder.parent.name}/{folder.name}"
