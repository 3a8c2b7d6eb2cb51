"""Pictures of studies: error against the length of TP-Net's window, and curves by setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posecore.errors import PosecoreError
from training.analysis.curves import figures_of, panel_grid
from training.analysis.figures import figure, save_figure, write_rows
from training.evaluation.study_files import StudyFile

__all__ = ["draw_curves", "draw_window"]

_AXES = {"minutes": "minutes of training", "step": "steps"}
_ERRORS = {
    "cmu_after_mpjpe_mm": "MPJPE, mm",
    "cmu_after_pa_mpjpe_mm": "PA-MPJPE, mm",
    "cmu_after_acceleration_m_s2": "acceleration error, m/s²",
}


def draw_window(output: Path, study: StudyFile) -> list[Path]:
    """``window.png`` and ``.csv``: error on held-out motion against the poses that TP-Net reads (seed 000 §3.4).

    Raises:
        PosecoreError: no setting with a window was measured.
    """
    rows: list[dict[str, Any]] = []
    for result in study.results:
        window = result.options.get("window")
        if window is None or result.part:
            continue
        row: dict[str, Any] = {"window": int(window), "training": result.length, "seeds": result.seeds}
        for metric in (*_ERRORS, *(name.replace("after", "before") for name in _ERRORS)):
            row[metric] = result.metrics.get(metric)
            if metric in result.spread:
                row[f"{metric}_std"] = result.spread[metric]
        rows.append(row)
    rows.sort(key=lambda row: row["window"])
    shown = [metric for metric in _ERRORS if any(row[metric] is not None for row in rows)]
    if not shown:
        raise PosecoreError(f"study {study.name}: no setting with a window was measured; run it to the end first")
    drawn = figure(3.6 * len(shown), 3.2)
    for panel, metric in zip(drawn.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        there = [row for row in rows if row[metric] is not None]
        for training in dict.fromkeys(row["training"] for row in there):
            own = [row for row in there if row["training"] == training]
            values, spread = [row[metric] for row in own], [row.get(f"{metric}_std", 0.0) for row in own]
            label = f"trained {training}" if len({row["training"] for row in there}) > 1 else "TP-Net"
            panel.errorbar([row["window"] for row in own], values, spread, marker="o", capsize=3, label=label)
        before = [row[metric.replace("after", "before")] for row in there if row.get(metric.replace("after", "before"))]
        if before:
            panel.axhline(before[0], color="#888888", linestyle="--", label="without")
        panel.set_title(_ERRORS[metric], fontsize=10)
        panel.set_xlabel("poses in the window")
        panel.legend(fontsize=8)
    return [save_figure(drawn, output / "window.png"), write_rows(output / "window.csv", rows)]


def draw_curves(output: Path, study: StudyFile, keys: Sequence[str] = (), axis: str = "minutes") -> list[Path]:
    """``NAME_curves.png`` and ``.csv``: a panel per figure, a colour per setting, a line per seed.

    Args:
        keys: metrics to show; default all but losses, eight at most.
        axis: "minutes" or "step".

    Raises:
        PosecoreError: no such metric or axis.
    """
    results = [result for result in study.results if not result.part]
    recorded = [key for key in figures_of(curve for r in results for curve in r.curves) if key != "minutes"]
    unknown = set(keys) - set(recorded)
    if unknown:
        raise PosecoreError(f"--keys {', '.join(sorted(unknown))}: not in the study; it has {', '.join(recorded)}")
    if axis not in _AXES:
        raise PosecoreError(f"--axis {axis}: unknown; choose one of {', '.join(_AXES)}")
    shown = list(keys) or [key for key in recorded if not key.startswith("loss")][:8] or recorded[:8]
    rows, columns = panel_grid(len(shown))
    drawn = figure(4.2 * columns, 3.2 * rows + 0.8)
    panels = drawn.subplots(rows, columns, squeeze=False).ravel()
    for panel, key in zip(panels, shown, strict=False):
        for number, result in enumerate(results):
            for curve in result.curves:
                points = [(point[axis], point[key]) for point in curve if key in point]
                style = {"color": f"C{number % 10}", "linestyle": "-" if number < 10 else "--"}
                if points:
                    panel.plot(*zip(*points, strict=True), marker=".", linewidth=1.2, **style)
        panel.set_title(key, fontsize=10)
        panel.set_xlabel(_AXES[axis])
    for panel in panels[len(shown) :]:
        panel.remove()
    lines = [
        panels[0].plot([], [], color=f"C{n % 10}", linestyle="-" if n < 10 else "--", label=_name(study, result))[0]
        for n, result in enumerate(results)
    ]
    drawn.legend(handles=lines, loc="outside lower center", ncols=min(4, len(lines)), fontsize=8)
    table = [
        {"setting": result.setting, "length": result.length, "seed": seed}
        | {"step": point["step"], "minutes": point["minutes"]}
        | {key: point.get(key) for key in shown}
        for result in results
        for seed, curve in enumerate(result.curves)
        for point in curve
    ]
    name = f"{study.name}_curves"
    return [save_figure(drawn, output / f"{name}.png"), write_rows(output / f"{name}.csv", table)]


def _name(study: StudyFile, result: Any) -> str:
    lengths = {other.length for other in study.results}
    return result.setting if len(lengths) == 1 else f"{result.setting} ({result.length})"
