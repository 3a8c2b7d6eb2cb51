"""The tables of the studies, from the files that ``python -m training study`` writes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.evaluation import published
from training.evaluation.study_files import Result, StudyFile, has_study, read_study, set_names
from training.evaluation.tables import Table

__all__ = [
    "ablation_table",
    "augmentation_table",
    "distance_table",
    "losses_table",
    "ordinal_table",
    "speed_table",
    "study_tables",
]

#: Metric → heading and factor. Shares are shown in percent.
_COLUMNS = {
    "pck": ("PCK@0.2, %", 100.0),
    "mpjpe_mm": ("MPJPE, mm", 1.0),
    "ends_mpjpe_mm": ("wrists, elbows, ankles, mm", 1.0),
    "pa_mpjpe_mm": ("PA-MPJPE, mm", 1.0),
    "symmetry_mm": ("left − right, mm", 1.0),
    "upper_arm_mm": ("upper arm", 1.0),
    "lower_arm_mm": ("lower arm", 1.0),
    "upper_leg_mm": ("upper leg", 1.0),
    "lower_leg_mm": ("lower leg", 1.0),
    "illegal_share": ("illegal angles, % of pictures", 100.0),
    "before_mpjpe_mm": ("MPJPE before, mm", 1.0),
    "after_mpjpe_mm": ("MPJPE, mm", 1.0),
    "after_pa_mpjpe_mm": ("PA-MPJPE, mm", 1.0),
    "after_acceleration_m_s2": ("acceleration error, m/s²", 1.0),
    "oda": ("ordinal accuracy, %", 100.0),
    "level_share": ("all level, %", 100.0),
    "ajd_px": ("joint distance, px of 256", 1.0),
}
#: Names of the data sets in headings.
_SETS = {"lspet": "LSPET", "people": "people", "synthetic": "rendered", "cmu": "CMU"}


def study_tables(name: str, path: Path) -> list[Table]:
    """The tables of ``dabral``, ``augmentation``, ``losses`` or ``ordinal``; of ``dabral`` what has been run.

    Args:
        path: the folder of the studies, or the file of the study.

    Raises:
        SourceError: the study is not there.
    """
    if name == "augmentation":
        return [augmentation_table(read_study(path, "augmentation"))]
    if name == "ordinal":
        study = read_study(path, "ordinal")
        return [ordinal_table(study), *distance_table(study)]
    if name == "losses":
        tables = [losses_table(read_study(path, "losses"))]
        if path.is_dir() and has_study(path, "compositional-speed"):
            tables.append(speed_table(read_study(path, "compositional-speed")))
        return tables
    temporal = path.is_dir() and has_study(path, "temporal")
    tables = [] if temporal and not has_study(path, "ablation") else [ablation_table(read_study(path, "ablation"))]
    return [*tables, temporal_table(read_study(path, "temporal"))] if temporal else tables


def _rows(study: StudyFile, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A row per setting with the metrics that were measured, on every data set; spread over seeds where there is."""
    results = [result for result in study.results if not result.part]
    lengths = {result.length for result in results}
    rows = []
    for result in results:
        row: dict[str, Any] = {"setting": result.setting}
        if len(lengths) > 1:
            row["training"] = result.length
        for metric in metrics:
            for source in set_names(results, metric):
                _put(row, result, source, metric)
        rows.append(row)
    return rows


def _put(row: dict[str, Any], result: Result, source: str, metric: str) -> None:
    name, (title, factor) = f"{source}_{metric}", _COLUMNS[metric]
    column = f"{_SETS.get(source, source)}: {title}"
    value = result.metrics.get(name)
    row[column] = None if value is None else factor * value
    if name in result.spread:
        row[f"{column}, ±"] = factor * result.spread[name]


def _notes(study: StudyFile) -> list[str]:
    results = [result for result in study.results if not result.part]
    minutes = [result.minutes for result in results]
    seeds = sorted({result.seeds for result in results})
    trained = (
        f"{min(minutes):.1f}" if max(minutes) - min(minutes) < 0.05 else f"{min(minutes):.1f} to {max(minutes):.1f}"
    )
    said = f"{trained} minutes of training each, {'/'.join(map(str, seeds))} seed(s)"
    spread = "; ± is the standard deviation over seeds" if max(seeds) > 1 else "; one seed says nothing of chance"
    what = study.what if study.what.endswith("?") else f"{study.what}."
    return [what, f"`{study.command}`: {said}{spread}."]


def _change(study: StudyFile, metric: str, setting: str, base: str) -> str | None:
    """``+0.8 (± 0.3)``: what a setting changes against another, with the spread over seeds if it is known."""
    one, other = study.result(setting), study.result(base)
    if one is None or other is None or metric not in one.metrics or metric not in other.metrics:
        return None
    factor = next((factor for tail, (_, factor) in _COLUMNS.items() if metric.endswith(f"_{tail}")), 1.0)
    difference = factor * (one.metrics[metric] - other.metrics[metric])
    if metric not in one.spread or metric not in other.spread:
        return f"{difference:+.1f}"
    error = factor * (one.spread[metric] ** 2 / one.seeds + other.spread[metric] ** 2 / other.seeds) ** 0.5
    return f"{difference:+.1f} (standard error {error:.1f})"


def ablation_table(study: StudyFile) -> Table:
    """Dabral et al.'s structure losses, one after the other."""
    metrics = ("mpjpe_mm", "pa_mpjpe_mm", "symmetry_mm", "illegal_share", "pck")
    rows = _rows(study, metrics)
    for row in rows:
        row["Dabral et al., Human3.6M: MPJPE, mm"] = published.DABRAL.get(row["setting"])
    return Table("dabral_structure", "Structure losses (SAP-Net)", rows, _notes(study))


_TEMPORAL = {
    "TP-Net": "+TP-Net",
    "TP-Net, semi-online": "+TP-Net semi-online",
    "LSTM": "+LSTM",
}


def temporal_table(study: StudyFile) -> Table:
    """TP-Net, semi-online, and the LSTM beside it."""
    metrics = ("before_mpjpe_mm", "after_mpjpe_mm", "after_pa_mpjpe_mm", "after_acceleration_m_s2")
    rows = _rows(study, metrics)
    for row in rows:
        row["Dabral et al., Human3.6M: MPJPE, mm"] = published.DABRAL.get(_TEMPORAL.get(row["setting"], ""))
    before = f"Dabral et al. start from {published.DABRAL['+Ls']} mm."
    return Table("dabral_temporal", "TP-Net and LSTM", rows, [*_notes(study), before])


def augmentation_table(study: StudyFile) -> Table:
    """Seed 001's figures 4 and 5 in numbers: PCK on validation and training pictures."""
    results = [result for result in study.results if not result.part]
    rows = _rows(study, ("pck",))
    by_name = {(result.setting, result.length): result for result in results}
    for row in rows:
        result = by_name[row["setting"], row.get("training", results[0].length)]
        for source in set_names(results, "pck"):
            trained = result.metrics.get(f"{source}_train_pck")
            own = result.metrics.get(f"{source}_pck")
            title = _SETS.get(source, source)
            row[f"{title}: on training pictures, %"] = None if trained is None else 100 * trained
            row[f"{title}: overfit by, points"] = None if trained is None or own is None else 100 * (trained - own)
    notes = _notes(study)
    for source in set_names(results, "pck"):
        change = _change(study, f"{source}_pck", "one of these and occlusion", "one of flip, rotation, shift")
        if change:
            gain = published.AUGMENTATION_OCCLUSION_GAIN
            notes.append(
                f"Occlusion beside flip, rotation and shift: {change} points here ({_SETS.get(source, source)}); "
                f"about +{gain} in seed 001 (Human3.6M, S8)."
            )
    return Table("augmentation", "Augmentation of the hourglass", rows, notes)


_LOSSES = {
    "l2, weighted": f"−{published.WEIGHTED_GAIN_MM:g} mm against L2",
    "compositional, pairs": "as L2, in less time",
    "l2": f"{published.LIFTING['seed 001']} mm on its server",
}


def losses_table(study: StudyFile) -> Table:
    """Losses and stabilisers of the lifting net."""
    rows = _rows(study, ("mpjpe_mm", "ends_mpjpe_mm", "pa_mpjpe_mm"))
    column = f"{_SETS['cmu']}: {_COLUMNS['mpjpe_mm'][0]}"
    base = next((row.get(column) for row in rows if row["setting"] == "l2"), None)
    for row in rows:
        own = row.get(column)
        row["against L2, mm"] = None if own is None or base is None else f"{own - base:+.1f}"
        row["seed 001, Human3.6M"] = _LOSSES.get(row["setting"])
    martinez = [published.LIFTING[f"Martinez, {kind} 2D"] for kind in ("detected", "true")]
    note = f"Martinez et al. on Human3.6M: {martinez[0]} mm from detected, {martinez[1]} mm from true 2D joints."
    return Table("losses", "Losses of the lifting net", rows, [*_notes(study), note])


def speed_table(study: StudyFile, metric: str = "cmu_mpjpe_mm") -> Table:
    """How soon each loss reaches what every one of them ends with (seed 001, §2.4.1)."""
    results = [result for result in study.results if metric in result.metrics and not result.part]
    goals = sorted((result.metrics[metric] for result in results), reverse=True)
    rows = []
    for result in results:
        row: dict[str, Any] = {"setting": result.setting, "MPJPE at the end, mm": result.metrics[metric]}
        for goal in goals:
            reached = [_first(curve, metric, goal) for curve in result.curves]
            found = [point["step"] for point in reached if point is not None]
            row[f"steps to {goal:.1f} mm"] = round(statistics.fmean(found)) if found else None
        rows.append(row)
    notes = [*_notes(study), "Seed 001: the compositional loss shortened the training at the same accuracy."]
    return Table("losses_speed", "How soon a loss gets there", rows, notes)


def _first(curve: Sequence[Mapping[str, float]], metric: str, goal: float) -> Mapping[str, float] | None:
    return next((point for point in curve if point.get(metric, float("inf")) <= goal), None)


#: Setting → number, what it is, and what the seed reports of it.
_EXPERIMENTS = {
    "1": ("1: all at once", "joint"),
    "2": ("2: heatmaps alone", None),
    "3": ("3: coordinates without heatmaps", "direct"),
    "4-three": ("4: heatmaps, 3 FC", "pooled3"),
    "4": ("4: heatmaps, 5 FC", "pooled5"),
    "5": ("5: penultimate features", "features"),
}


def ordinal_table(study: StudyFile) -> Table:
    """Seed 004's experiments 1 to 5: Ordinal Depth Accuracy and Average Joint Distance."""
    rows = sorted(_rows(study, ("oda", "level_share", "ajd_px")), key=lambda row: str(row["setting"]))
    distance = statistics.fmean(published.AVERAGE_JOINT_DISTANCE.values())
    for row in rows:
        title, head = _EXPERIMENTS.get(row["setting"], (row["setting"], None))
        accuracy = published.ORDINAL_ACCURACY.get(head or "")
        failed = "did not converge" if head in ("joint", "direct") else None
        row["seed 004: ordinal accuracy, %"] = failed if accuracy is None else accuracy
        row["seed 004: joint distance, px"] = distance if row["setting"] == "2" else None
        row["setting"] = title
        if title == _EXPERIMENTS["2"][0]:  # it has no depth: its figures would be those of zeros
            row |= {column: None for column in row if column.endswith(_COLUMNS["oda"][0]) and ": " in column}
    notes = [*_notes(study), "All level: the accuracy of a net that calls every pair of joints level."]
    return Table("ordinal", "Ordinal depth by head", rows, notes)


def distance_table(study: StudyFile) -> list[Table]:
    """Average Joint Distance by joint, of the setting that trained its heatmaps longest; [] if it was not measured."""
    results = [result for result in study.results if any("_ajd_r_ankle_px" in name for name in result.metrics)]
    if not results:
        return []
    result = max(results, key=lambda result: (result.setting == "2", result.minutes))
    rows = []
    for joint, theirs in published.AVERAGE_JOINT_DISTANCE.items():
        row: dict[str, Any] = {"joint": joint.replace("_", " ")}
        for source in set_names([result], f"ajd_{joint}_px"):
            row[_SETS.get(source, source)] = result.metrics[f"{source}_ajd_{joint}_px"]
        rows.append(row | {"seed 004": theirs})
    title = _EXPERIMENTS.get(result.setting, (result.setting, None))[0]
    notes = [f"px of a 256 px crop; heatmaps of “{title}”. Its heads do not change them."]
    return [Table("ordinal_distance", "Average Joint Distance", rows, notes)]
