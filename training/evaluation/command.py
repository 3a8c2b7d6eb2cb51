"""``python -m training evaluate TABLE --data DATA``: a paper's table from the data that is there.

Without ``--benchmark`` a table is made from what stands in for its data: held-out CMU motion under virtual cameras,
rendered pictures with exact 3D (``--synthetic``), LSPET. Studies (``dabral``, ``augmentation``, ``losses``,
``ordinal``) are read from what ``python -m training study`` wrote (``--study``).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from posecore.errors import PosecoreError
from training.evaluation import benchmarks, motion, sources, studies
from training.evaluation.answers import answer, truth_of, weights_of
from training.evaluation.tables import Table, markdown, write_tables
from training.noise import STATISTICS_FILE
from training.readers.samples import Samples

__all__ = ["HEADINGS", "Evaluation", "evaluate", "main"]

Name = Literal["h36m", "mpii", "3dhp", "geometry", "dabral", "augmentation", "losses", "ordinal", "bodies"]

HEADINGS: dict[str, str] = {
    "h36m": "3D error by action (Zhou et al. 2017, table 1)",
    "mpii": "2D: PCKh (Zhou et al. 2017, table 2)",
    "3dhp": "3D PCK and AUC by scene (Zhou et al. 2017, table 3)",
    "geometry": "Geometry validity (Zhou et al. 2017, table 4)",
    "dabral": "SAP-Net and TP-Net, piece by piece (Dabral et al. 2018)",
    "augmentation": "Augmentation of the hourglass (seed 001)",
    "losses": "Losses of the lifting net (seed 001)",
    "ordinal": "Ordinal depth by head (seed 004)",
    "bodies": "Bodies from one picture (seed 003)",
}
_KINDS = {"h36m": "h36m", "mpii": "mpii", "3dhp": "mpi-inf-3dhp"}


@dataclass(frozen=True)
class Evaluation:
    """Make a table.

    Attributes:
        table: which one.
        data: folder of the shared data sets (lspet/, people/, mocap_cmu/).
        benchmark: the real benchmark, as ``python -m training data`` takes it: Human3.6M for h36m, MPII for mpii,
            MPI-INF-3DHP for 3dhp; for geometry any of them, with --kind.
        kind: kind of the benchmark, if not the table's own.
        option: NAME=VALUE of its reader, e.g. step=64; may be repeated.
        synthetic: folder of rendered shards.
        bodies: folder of rendered bodies; masks: LSPET's silhouettes; cache: of its pictures. For bodies.
        study: the study's file or folder, for the tables of studies.
        methods: sapnet, blazepose, a SAP-Net check-point; each also with ":lifter" behind it; or lifter, which is given
            the labelled 2D joints; with ":online" or ":semi-online" behind it TP-Net refines clips. For bodies:
            fitting, or check-points of ``python -m training smpl``.
        protocol: of h36m on the benchmark.
        rate: pictures/s of the benchmark's clips, for TP-Net.
        limit: samples of each picture set at most, 0 for all.
        noise: noise statistics (JSON) of the virtual cameras' 2D joints.
        output: folder for the Markdown and CSV files; without it the table is only printed.
    """

    table: Annotated[Name, tyro.conf.Positional]
    data: Path | None = None
    benchmark: Path | None = None
    kind: str | None = None
    option: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    synthetic: Path | None = None
    bodies: Path | None = None
    masks: Path | None = None
    cache: Path | None = None
    study: Path | None = None
    methods: tuple[str, ...] = ()
    protocol: Literal["zhou", "martinez"] = "zhou"
    rate: float = 50.0
    limit: int = 0
    noise: Path = STATISTICS_FILE
    output: Path | None = None

    @property
    def folder(self) -> Path:
        """``data``. Raises PosecoreError if it was not given."""
        if self.data is None:
            raise PosecoreError(f"--data: the folder of the shared data sets is needed for {self.table}")
        return self.data


def evaluate(options: Evaluation) -> list[Table]:
    """The tables of ``options.table``.

    Raises:
        PosecoreError: data or options that are missing or do not fit; one line that says which.
    """
    return _TABLES[options.table](options)


def _benchmark(options: Evaluation) -> Samples | None:
    if options.benchmark is None:
        return None
    kind = options.kind or _KINDS.get(options.table)
    if kind is None:
        raise PosecoreError("--kind: say of what kind --benchmark is; `python -m training data --help` lists them")
    return sources.benchmark(kind, options.benchmark, sources.reader_options(options.option), options.limit)


def _has_pictures(samples: Samples) -> bool:
    path = samples.picture_path(0) if len(samples) else None
    return path is not None and path.is_file()


def _methods(options: Evaluation, samples: Samples, solid: bool = True) -> Sequence[str]:
    """The methods asked for, or those that the samples allow."""
    looking = ("sapnet", "sapnet:lifter") if solid else ("sapnet",)
    flat = ("lifter",) if solid else ()
    return options.methods or ((*looking, *flat) if _has_pictures(samples) else flat)


def _weighed(table: Table, methods: Iterable[str]) -> Table:
    """With a note on the weights that the methods ran with."""
    return replace(table, notes=[*table.notes, f"Weights: {weights_of(list(methods))}."])


def _rendered(options: Evaluation) -> Samples | None:
    if options.synthetic is None:
        return None
    return sources.pictures("rendered", options.synthetic, options.limit)


_RENDERED = (
    "Rendered validation pictures (5 % by hash; other pictures of the same motion were trained on), 3D exact; both "
    "bodies at an average adult's size; “lifter” is given the true 2D joints."
)
_BY_ACTION = "The average is over actions, as Martinez et al.'s."
_MOTION = (
    "Held-out CMU subjects on bodies of their own proportions, virtual cameras, the noise statistics' 2D errors: not "
    "the papers' benchmark, so the published column says what they reached there, not what to compare with."
)


def _h36m(options: Evaluation) -> list[Table]:
    samples = _benchmark(options)
    if samples is not None:
        truth = truth_of(samples)
        found = {m: answer(m, samples, options.rate).joints for m in _methods(options, samples)}
        actions = samples.actions if samples.actions is not None else np.full(len(samples), "unnamed")
        notes = [f"{len(samples)} samples of {options.benchmark}."]
        name, known = "Human3.6M", truth.known
        table = benchmarks.actions_table("h36m", name, found, truth.joints, known, actions, options.protocol, notes)
        return [_weighed(table, found)]
    seen = motion.see_held_out(options.folder, options.noise)
    solved = motion.solved(seen, options.methods or motion.METHODS)
    known = np.ones(seen.joints.shape[:-1], bool)
    title = "Lifting and TP-Net on held-out CMU motion"
    table = benchmarks.actions_table(
        "h36m_cmu", title, solved, seen.joints, known, seen.actions, "martinez", [_MOTION, _BY_ACTION]
    )
    tables = [_weighed(table, solved)]
    rendered = _rendered(options)
    if rendered is not None:
        truth = truth_of(rendered)
        found = {m: benchmarks.adult(answer(m, rendered).joints) for m in _methods(options, rendered)}
        actions = np.full(len(rendered), "rendered")
        title = "Pictures with exact 3D"
        joints = benchmarks.adult(truth.joints)
        table = benchmarks.actions_table(
            "h36m_rendered", title, found, joints, truth.known, actions, "martinez", [_RENDERED]
        )
        tables.append(_weighed(table, found))
    return tables


def _3dhp(options: Evaluation) -> list[Table]:
    samples = _benchmark(options)
    if samples is not None:
        truth = truth_of(samples)
        methods = _methods(options, samples)
        found = {m: benchmarks.scaled_to(answer(m, samples, options.rate).joints, truth) for m in methods}
        scenes = samples.scenes if samples.scenes is not None else np.full(len(samples), "unnamed")
        notes = [
            f"{len(samples)} samples of {options.benchmark}; predictions at the mean size of the labelled people "
            "(universal=true of the reader gives the papers' labels)."
        ]
        return [_weighed(benchmarks.scenes_table("3dhp", "MPI-INF-3DHP", found, truth, scenes, notes), found)]
    tables = []
    seen = motion.see_held_out(options.folder, options.noise)
    joints = seen.joints.reshape(-1, *seen.joints.shape[2:])
    truth = benchmarks.Truth(joints, np.ones(joints.shape[:2], bool))
    solved = {m: j.reshape(joints.shape) for m, j in motion.solved(seen, options.methods or motion.METHODS).items()}
    scenes = np.full(len(joints), "virtual cameras")
    title = "Lifting and TP-Net on held-out CMU motion"
    tables.append(_weighed(benchmarks.scenes_table("3dhp_cmu", title, solved, truth, scenes, [_MOTION]), solved))
    rendered = _rendered(options)
    if rendered is not None:
        truth = truth_of(rendered)
        found = {m: benchmarks.adult(answer(m, rendered).joints) for m in _methods(options, rendered)}
        truth = benchmarks.Truth(benchmarks.adult(truth.joints), truth.known)
        scenes = np.full(len(rendered), "rendered")
        title = "Pictures with exact 3D"
        table = benchmarks.scenes_table("3dhp_rendered", title, found, truth, scenes, [_RENDERED])
        tables.append(_weighed(table, found))
    return tables


def _mpii(options: Evaluation) -> list[Table]:
    samples = _benchmark(options)
    name, notes = "mpii", [f"{options.benchmark}."]
    if samples is None:
        samples = sources.pictures("lspet", options.folder, options.limit)
        name = "mpii_lspet"
        notes = [
            "LSPET validation pictures (5 % by hash), human labels as they are, the crop around the labelled person."
        ]
    methods = [m for m in _methods(options, samples, solid=False) if m != "lifter"]
    if not methods:
        raise PosecoreError(f"{options.benchmark}: its pictures are not there; give --option images=FOLDER")
    found = {method: answer(method, samples) for method in methods}
    title = "MPII" if name == "mpii" else "LSPET in MPII's place"
    return [_weighed(benchmarks.pckh_table(name, title, found, samples, notes), found)]


def _geometry(options: Evaluation) -> list[Table]:
    named: dict[str, Samples] = {}
    samples = _benchmark(options)
    if samples is not None:
        named[samples.kind] = samples
    else:
        rendered = _rendered(options)
        if rendered is not None:
            named["rendered"] = rendered
        for name in ("lspet", "people"):
            named[name] = sources.pictures(name, options.folder, options.limit)
    found = {}
    for name, people in named.items():
        for method in _methods(options, people):
            # Labelled 2D joints are what a lifter is tested with, on pictures whose labels are all there.
            if method != "lifter" or people.joints is not None:
                found[method, name] = (answer(method, people), people)
    notes = ["Predicted bodies; no labels are needed but the box. Number of pictures in brackets."]
    table = benchmarks.geometry_table("geometry", "|left − right| of limb lengths", found, notes)
    return [_weighed(table, dict.fromkeys(method for method, _ in found))]


def _study(options: Evaluation) -> list[Table]:
    if options.study is None:
        raise PosecoreError(f"--study: what `python -m training study` wrote is needed for {options.table}")
    return studies.study_tables(options.table, options.study)


def _bodies(options: Evaluation) -> list[Table]:
    from training.evaluation import bodies  # the recipe with all it needs: for this table alone

    tables = bodies.study_tables(options.study) if options.study is not None else []
    if options.study is None or options.bodies is not None or options.masks is not None:
        tables += bodies.method_tables(
            options.bodies, options.data, options.masks, options.methods, options.cache, options.limit
        )
    return tables


_TABLES: dict[str, Callable[[Evaluation], list[Table]]] = {
    "h36m": _h36m,
    "mpii": _mpii,
    "3dhp": _3dhp,
    "geometry": _geometry,
    "bodies": _bodies,
    **dict.fromkeys(("dabral", "augmentation", "losses", "ordinal"), _study),
}


def main(args: list[str] | None = None) -> None:
    """The command: print the tables, and write them where ``--output`` says."""
    options = tyro.cli(Evaluation, prog="python -m training evaluate", args=args, description=__doc__)
    tables = evaluate(options)
    for table in tables:
        print(markdown(table))
    if options.output is not None:
        command = "python -m training evaluate " + shlex.join(args or [])
        options.output.mkdir(parents=True, exist_ok=True)
        for path in write_tables(options.output, options.table, HEADINGS[options.table], command, tables):
            print(path)
