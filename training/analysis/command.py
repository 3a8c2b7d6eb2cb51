"""``python -m training analyse NAME --output FOLDER``: a picture (PNG) and the numbers behind it (CSV, npz).

- ``elbow``: loss surfaces over the left elbow (Dabral et al. 2018, fig. 3);
- ``sensitivity``: what of the past TP-Net's pose depends on (fig. 6);
- ``curves``: training curves of any runs;
- ``window``: error against the length of TP-Net's window, from the study of that name;
- ``bodies``: meshes of the study ``bodies-eight`` beside its pictures (seed 003, fig. 4), from ``--bodies`` as well;
- ``study``: curves of any study by setting, e.g. ``--of augmentation``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from posecore.errors import PosecoreError
from training.analysis import curves, elbow_picture, sensitivity, study_curves
from training.evaluation.study_files import read_study
from training.noise import STATISTICS_FILE

__all__ = ["Analysis", "analyse", "main"]


@dataclass(frozen=True)
class Analysis:
    """Draw an analysis.

    Attributes:
        name: which one.
        output: folder for the files.
        data: the data folder (with mocap_cmu), for sensitivity.
        networks: TP-Nets for sensitivity: online, semi-online (the shipped ones), or folders of temporal runs.
        windows: how many windows of held-out motion the sensitivity is a mean over.
        noise: noise statistics (JSON) of the 2D joints behind these windows.
        runs: folders of training runs, for curves.
        study: folder of the studies, or a study's file, for window, study and bodies.
        bodies: folder of the rendered bodies that the study was trained on, for bodies.
        of: which study, for study.
        keys: figures to show, for curves and study; default the first ones recorded.
        axis: what curves run over: step, elapsed, seconds; minutes or step for study.
        points: places of the elbow along each axis.
    """

    name: Annotated[Literal["elbow", "sensitivity", "curves", "window", "study", "bodies"], tyro.conf.Positional]
    output: Path = Path("runs/analysis")
    data: Path | None = None
    networks: tuple[str, ...] = ("online", "semi-online")
    windows: int = 40
    noise: Path = STATISTICS_FILE
    runs: tuple[Path, ...] = ()
    study: Path | None = None
    bodies: Path | None = None
    of: str = "augmentation"
    keys: tuple[str, ...] = ()
    axis: str = ""
    points: int = 121


def _sensitivity(options: Analysis) -> list[Path]:
    if options.data is None:
        raise PosecoreError("--data: the folder with mocap_cmu is needed for sensitivity")
    found = [sensitivity.measure(options.data, options.noise, which, options.windows) for which in options.networks]
    return sensitivity.draw(options.output, found)


def _study(options: Analysis) -> Path:
    if options.study is None:
        raise PosecoreError(f"--study: what `python -m training study` wrote is needed for {options.name}")
    return options.study


def _bodies(options: Analysis) -> list[Path]:
    if options.bodies is None:
        raise PosecoreError("--bodies: the folder of the rendered bodies that the study was trained on is needed")
    from training.analysis import bodies  # torch and the recipe: for this one alone

    return bodies.draw(options.output, read_study(_study(options), "bodies-eight"), _study(options), options.bodies)


_ANALYSES: dict[str, Callable[[Analysis], list[Path]]] = {
    "elbow": lambda options: elbow_picture.draw(options.output, options.points),
    "sensitivity": _sensitivity,
    "curves": lambda options: curves.draw(options.output, options.runs, options.keys, options.axis),
    "bodies": _bodies,
    "window": lambda options: study_curves.draw_window(options.output, read_study(_study(options), "window")),
    "study": lambda options: study_curves.draw_curves(
        options.output, read_study(_study(options), options.of), options.keys, options.axis or "minutes"
    ),
}


def analyse(options: Analysis) -> list[Path]:
    """Draw, and return the files written.

    Raises:
        PosecoreError: data or options that are missing or do not fit; one line that says which.
    """
    options.output.mkdir(parents=True, exist_ok=True)
    return _ANALYSES[options.name](options)


def main(args: list[str] | None = None) -> None:
    """The command."""
    for path in analyse(tyro.cli(Analysis, prog="python -m training analyse", args=args, description=__doc__)):
        print(path)
