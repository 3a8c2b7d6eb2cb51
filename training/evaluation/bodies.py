"""Tables of bodies: seed 003's tables 1 and 2 from the studies, and methods side by side on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posecore.body import load_body
from posecore.errors import PosecoreError
from training.bodies.figures import Bodies, BodyTruth, body_figures, predicted_bodies, true_bodies
from training.bodies.pictures import BodyPictures, load_lspet, load_rendered
from training.evaluation.study_files import has_study, read_study, set_names
from training.evaluation.tables import Table
from training.recipes.smpl import load_regressor

__all__ = ["PUBLISHED", "method_tables", "study_tables"]

#: Seed 003, tables 1 and 2: setting → KPR, MR.
PUBLISHED: dict[str, tuple[float, float]] = {
    "KPR only, without critic": (4.19, 51.66),
    "MR only, without critic": (13.95, 16.05),
    "combined, without critic": (3.92, 37.53),
    "KPR only, with critic": (4.70, 50.32),
    "MR only, with critic": (18.25, 92.44),
    "combined, with critic": (4.41, 44.03),
}
PUBLISHED_LONG: dict[str, tuple[float, float]] = {
    "KPR only, with critic": (3.85, 33.65),
    "combined, with critic": (3.20, 30.02),
    "HMR (Kanazawa et al. 2018)": (2.64, 27.09),
}
_STUDIES = {
    "bodies": ("bodies_table1", "Validation losses by setting (seed 003, table 1)", PUBLISHED),
    "bodies-long": ("bodies_table2", "Trained longer (seed 003, table 2)", PUBLISHED_LONG),
    "bodies-eight": ("bodies_eight", "Eight pictures overfitted (seed 003, §4.1)", {}),
}
_FIGURES = {
    "kpr": "KPR",
    "mr": "MR",
    "iou": "IoU",
    "mpjpe_mm": "MPJPE",
    "pa_mpjpe_mm": "PA-MPJPE",
    "pve_mm": "PVE",
    "pa_pve_mm": "PA-PVE",
}
_UNITS = (
    "KPR: mean absolute error of a coordinate, px of a 224 crop; MR: eq. 1 with means for sums, px² of it. The seed "
    "gives neither units nor the sums' range: compare within a column, not across."
)
_METRES = "MPJPE (24 joints) and PVE in mm, pelvis at 0; PA after a similarity; on rendered bodies alone."
_CLOTHES = "The silhouettes have clothes on, so that even the true bodies do not reach an IoU of 1."
_FITTING = "fitting"


def study_tables(folder: Path) -> list[Table]:
    """A table for each study of bodies that has run.

    Raises:
        PosecoreError: none has.
    """
    tables = []
    for name, (file, title, published) in _STUDIES.items():
        if not has_study(folder, name):
            continue
        study = read_study(folder, name)
        rows: list[dict[str, Any]] = []
        sets = set_names(study.results, "kpr")
        for result in (one for one in study.results if not one.part):
            row: dict[str, Any] = {"setting": result.setting}
            for own in sets:
                for metric, label in _FIGURES.items():
                    if f"{own}_{metric}" in result.metrics:
                        row[f"{label} {own}"] = result.metrics[f"{own}_{metric}"]
            if published:
                row["KPR published"], row["MR published"] = published.get(result.setting, (None, None))
            rows.append(row | {"steps": round(result.steps)})
        for setting in published:
            if all(result.setting != setting for result in study.results):
                rows.append({"setting": setting, "KPR published": published[setting][0]})
                rows[-1]["MR published"] = published[setting][1]
        notes = [_UNITS, _METRES, f"`{study.command}`", "Published: LSP and LSP extended, ResNet-50, 120 epochs."]
        tables.append(Table(file, title, rows, notes if published else notes[:3], digits=2))
    if not tables:
        raise PosecoreError(f"{folder}: none of the studies {', '.join(_STUDIES)} has been run there")
    return tables


def method_tables(
    bodies: Path | None,
    data: Path | None,
    masks: Path | None,
    methods: Sequence[str],
    cache: Path | None = None,
    limit: int = 0,
) -> list[Table]:
    """Methods on held-out pictures of every source.

    Args:
        bodies: folder of rendered bodies; data, masks, cache: for LSPET.
        methods: check-points of ``python -m training smpl``, or ``fitting`` (``fitting:ESTIMATOR`` for another
            estimator than SAP-Net).

    Raises:
        PosecoreError: no pictures, or a method that is none.
    """
    sources: dict[str, BodyPictures] = {}
    if bodies is not None:
        sources["rendered"] = load_rendered(bodies, "validation", limit)
    if data is not None and masks is not None:
        sources["lspet"] = load_lspet(data, cache or Path("runs/cache"), masks, "validation", limit)
    if not sources:
        raise PosecoreError("--bodies, or --data with --masks: no held-out pictures to measure on")
    tables = []
    for name, pictures in sources.items():
        rows = []
        for method in methods or (_FITTING,):
            answers, truth = _answers(method, pictures)
            figures = body_figures(answers, truth)
            rows.append({"method": method, **{label: figures[metric] for metric, label in _FIGURES.items()}})
        notes = [_UNITS, _METRES, _CLOTHES] if name == "rendered" else [_UNITS]
        title = f"Bodies on {len(pictures)} held-out pictures: {name}"
        tables.append(Table(f"bodies_{name}", title, rows, notes, digits=2))
    return tables


def _answers(method: str, pictures: BodyPictures) -> tuple[Bodies, BodyTruth]:
    """What a method says, and the labels of the crops that it is said in."""
    model = load_body()
    name, _, estimator = method.partition(":")
    if name == _FITTING:
        from posecore import load_estimator
        from training.bodies.fitted import fitted_bodies

        size = 224
        answers = fitted_bodies(load_estimator(estimator or "sapnet"), pictures, model, size)
        return answers, true_bodies(pictures, model, size)
    net, size, saved = load_regressor(Path(method))
    truth = true_bodies(pictures, model, size, float(saved["facts"]["padding"]))
    return predicted_bodies(net, truth.image, model), truth
