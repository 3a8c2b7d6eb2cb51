"""The benchmark tables: Human3.6M by action, MPII's PCKh, MPI-INF-3DHP by scene, geometry validity.

Each takes labelled people of any reader, so that the real benchmark and what stands in for it go the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posecore.capturing.sapnet import metric_joints
from posecore.errors import PosecoreError
from posecore.metrics import LIMBS, evaluate_protocol, geometry_validity, head_sizes, pck_rows, pckh
from posecore.skeletons import BODY_21, MPII_16, convert
from training.evaluation import published
from training.evaluation.answers import CROP, Answers, Truth, in_crop, regions_of
from training.evaluation.tables import Table
from training.readers.samples import Samples

__all__ = ["actions_table", "adult", "geometry_table", "pckh_table", "scaled_to", "scenes_table"]

Array = NDArray[np.floating]
#: prediction, truth and mask → figures by name.
Figures = Callable[[Array, Array, Array], Mapping[str, float]]
_BEST = published.ZHOU_SETTINGS[-1]


#: The joints that a body's size is told by, see :func:`posecore.capturing.sapnet.metric_joints`.
_SIZED = tuple(f"{s}_{j}" for s in "lr" for j in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist"))


def adult(joints: Array) -> NDArray[np.float32]:
    """(..., 21, 3) m at the size of an average adult: what is left when nobody can tell the person's size."""
    return metric_joints(joints[..., :2], joints[..., 2])


def scaled_to(joints: Array, truth: Truth) -> NDArray[np.float32]:
    """Predictions at one size: the mean of the people in ``truth`` (Zhou et al.: one sum of bone lengths for all).

    Raises:
        PosecoreError: nobody's limbs are all labelled.
    """
    whole = truth.known[:, BODY_21.indices(_SIZED)].all(-1)
    if not whole.any():
        raise PosecoreError("nobody's limbs are labelled whole, so the size of the people is not known")
    labelled = truth.joints[whole]
    ratio = np.linalg.norm(labelled, axis=-1).sum(-1) / np.linalg.norm(adult(labelled), axis=-1).sum(-1)
    return adult(joints) * np.float32(ratio.mean())


def _grouped(
    found: Mapping[str, Array], truth: Array, known: Array, groups: NDArray[Any], figures: Figures, last: str
) -> list[dict[str, Any]]:
    """A row per group, and one of all: for each method its figures, in columns ``METHOD`` or ``METHOD, FIGURE``."""
    rows = []
    for group in [*dict.fromkeys(sorted(map(str, groups))), last]:
        chosen = groups.astype(str) == group if group != last else np.ones(len(groups), bool)
        row: dict[str, Any] = {"": group, "poses": int(np.prod(truth[chosen].shape[:-2]))}
        for method, joints in found.items():
            for name, value in figures(joints[chosen], truth[chosen], known[chosen]).items():
                row[f"{method}, {name}" if name else method] = value
        rows.append(row)
    return rows


def actions_table(
    name: str,
    title: str,
    found: Mapping[str, Array],
    truth: Array,
    known: Array,
    actions: NDArray[Any],
    protocol: str,
    notes: Sequence[str],
) -> Table:
    """Zhou et al.'s table 1: MPJPE in mm by action, of every method, beside theirs.

    The average is Zhou et al.'s over poses, Martinez et al.'s over actions.

    Args:
        found: method → (N, …, 21, 3) m; truth of the same shape; known (N, …, 21); actions (N,).
        protocol: "zhou" or "martinez", see :func:`posecore.metrics.evaluate_protocol`.
    """

    def figures(joints: Array, wanted: Array, mask: Array) -> dict[str, float]:
        values = evaluate_protocol(joints, wanted, protocol, BODY_21, mask)  # type: ignore[arg-type]
        return {"": values["mpjpe_mm"]} | ({"PA": values["pa_mpjpe_mm"]} if "pa_mpjpe_mm" in values else {})

    rows = _grouped(found, truth, known, actions, figures, "Average")
    if protocol == "martinez":
        _average_of_actions(rows, found)
    for setting in _settings(rows, published.ZHOU_H36M):
        for row in rows:
            row[f"Zhou et al., Human3.6M, {setting}"] = published.ZHOU_H36M[setting].get(row[""])
    return Table(
        name, title, rows, [*notes, f"MPJPE in mm, protocol “{protocol}”; PA after a similarity of each pose."]
    )


def _average_of_actions(rows: list[dict[str, Any]], methods: Iterable[str]) -> None:
    *actions, average = rows
    for column in average:
        if any(column in (method, f"{method}, PA") for method in methods):
            average[column] = float(np.mean([row[column] for row in actions]))


def _settings(rows: Sequence[Mapping[str, Any]], theirs: Mapping[str, Mapping[str, float]]) -> Sequence[str]:
    """All of the paper's settings where the rows are the benchmark's own; its best beside what stands in for it."""
    own = any(row[""] in theirs[_BEST] for row in rows[:-1])
    return published.ZHOU_SETTINGS if own else (_BEST,)


def scenes_table(
    name: str, title: str, found: Mapping[str, Array], truth: Truth, scenes: NDArray[Any], notes: Sequence[str]
) -> Table:
    """Zhou et al.'s table 3: PCK@150 mm by scene, and AUC, in %."""

    def figures(joints: Array, wanted: Array, mask: Array) -> dict[str, float]:
        values = evaluate_protocol(joints, wanted, "mpi_inf_3dhp", BODY_21, mask)
        return {"PCK": 100 * values["pck"], "AUC": 100 * values["auc"]}

    rows = _grouped(found, truth.joints, truth.known, scenes, figures, "All")
    for setting in _settings(rows, published.ZHOU_3DHP):
        theirs = published.ZHOU_3DHP[setting]
        for row in rows:
            row[f"Zhou et al., MPI-INF-3DHP, {setting}, PCK"] = theirs.get(row[""])
            row[f"{setting}, AUC"] = theirs["AUC"] if row[""] == "All" else None
    dabral = published.DABRAL_3DHP
    notes = [*notes, f"Dabral et al. on MPI-INF-3DHP: PCK {dabral['All']}, AUC {dabral['AUC']}."]
    return Table(name, title, rows, [*notes, "14 joints relative to the pelvis; PCK at 150 mm, AUC over 0–150 mm, %."])


def pckh_table(name: str, title: str, found: Mapping[str, Answers], samples: Samples, notes: Sequence[str]) -> Table:
    """Zhou et al.'s table 2: PCKh@0.5 in %, by kind of joint and of all.

    Raises:
        PosecoreError: no head's size is known.
    """
    people = samples.to(BODY_21)
    truth, mask = people.keypoints[..., :2], people.keypoints[..., 2] > 0
    sizes = samples.head_sizes
    if sizes is None or not np.isfinite(sizes).any():
        sizes = head_sizes(truth, BODY_21, mask)
        notes = [*notes, "Head size: neck to head top, as the data set has no head boxes."]
    sizes = np.nan_to_num(np.asarray(sizes, np.float64))
    if not (sizes > 0).any():
        raise PosecoreError(f"{samples.kind}: no head sizes known; give the head boxes to the reader")
    rows = []
    for method, answers in found.items():
        table = pck_rows(answers.keypoints, truth, 0.5 * sizes, mask, BODY_21)
        # By MPII's joints: its pelvis and thorax do not count, its upper neck (our thorax) does.
        wanted, known = convert(truth, BODY_21, MPII_16, mask)
        whole = pckh(convert(answers.keypoints, BODY_21, MPII_16)[0], wanted, sizes, known)
        rows.append({"method": method, "people": int((sizes > 0).sum()), "mean": 100 * whole} | _percent(table))
    for setting, value in published.ZHOU_PCKH.items():
        rows.append({"method": f"Zhou et al., MPII, {setting} (published)", "mean": value})
    return Table(name, title, rows, [*notes, "PCKh@0.5, %; mean: MPII's joints but pelvis and thorax."], digits=2)


def _percent(table: Mapping[str, float]) -> dict[str, float]:
    return {key: 100 * value for key, value in table.items()}


def geometry_table(
    name: str, title: str, found: Mapping[tuple[str, str], tuple[Answers, Samples]], notes: Sequence[str]
) -> Table:
    """Zhou et al.'s table 4: mean |left − right| of limb lengths in mm, and in px of a 256 px crop.

    Args:
        found: (method, pictures) → what the method said of these samples.
    """
    rows = []
    columns: dict[str, dict[str, dict[str, float]]] = {"mm": {}, "px": {}}
    for (method, pictures), (answers, samples) in found.items():
        column = f"{method}, {pictures} ({len(samples)})"
        columns["mm"][column] = geometry_validity(1000 * answers.joints.astype(np.float64), BODY_21)
        columns["px"][column] = geometry_validity(_solid_pixels(answers, samples), BODY_21)
    for unit, theirs in (("mm", published.GEOMETRY_MM), ("px", published.GEOMETRY_PX)):
        for limb in LIMBS:
            row: dict[str, Any] = {"": f"{limb.replace('_', ' ')}, {unit}"}
            row |= {column: values[limb] for column, values in columns[unit].items()}
            rows.append(row | {f"Zhou et al., {setting}": theirs[setting][limb] for setting in theirs})
    notes = [*notes, f"mm: bodies at the method's own size; px: of a {CROP} px crop, depth at the scale of x and y."]
    return Table(name, title, rows, notes)


def _solid_pixels(answers: Answers, samples: Samples) -> NDArray[np.float64]:
    """(N, 21, 3) px of the 256 px crop: x, y as seen, z of the joints at the scale at which x and y fit best."""
    places = in_crop(answers.keypoints, regions_of(samples))
    flat = places - places[:, [BODY_21.index("pelvis")]]
    plane = answers.joints[..., :2].astype(np.float64)
    scale = (plane * flat).sum((1, 2)) / np.maximum((plane**2).sum((1, 2)), 1e-12)
    return np.concatenate([flat, answers.joints[..., 2:] * scale[:, None, None]], -1)
