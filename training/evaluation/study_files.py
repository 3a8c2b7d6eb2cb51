"""What ``python -m training study`` wrote, as values: see :mod:`training.recipes.study` for the file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posecore.errors import SourceError

__all__ = ["Result", "StudyFile", "has_study", "read_study", "set_names"]


@dataclass(frozen=True)
class Result:
    """One setting of a study, over all seeds that trained as long.

    Attributes:
        setting, length: their names in the study.
        seeds: how many.
        minutes, steps: of training, mean.
        metrics: name → mean over the seeds that measured it.
        spread: name → standard deviation over seeds; empty for a single one.
        curves: of each seed, its points: ``step``, ``minutes`` and metrics.
        options: of the recipe.
        part: only what others start from.
    """

    setting: str
    length: str
    seeds: int
    minutes: float
    steps: float
    metrics: Mapping[str, float]
    spread: Mapping[str, float]
    curves: Sequence[Sequence[Mapping[str, float]]]
    options: Mapping[str, Any]
    part: bool = False


@dataclass(frozen=True)
class StudyFile:
    """A study: its name, its question, the command that ran it, and its results in order."""

    name: str
    what: str
    command: str
    results: Sequence[Result]

    def result(self, setting: str) -> Result | None:
        """The result of a setting (the one that trained longest), or None if it has not run."""
        found = [result for result in self.results if result.setting == setting]
        return max(found, key=lambda result: result.minutes) if found else None


def has_study(path: Path, name: str) -> bool:
    """Whether :func:`read_study` would find a file."""
    return _file(path, name).is_file()


def _file(path: Path, name: str) -> Path:
    return Path(path) / f"{name}.json" if Path(path).is_dir() else Path(path)


def read_study(path: Path, name: str) -> StudyFile:
    """The study ``name`` from its JSON file, or from the folder that holds it.

    Raises:
        SourceError: missing, another study, or not a study's file.
    """
    file = _file(path, name)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["study"] != name:
            raise SourceError(f"{file}: the study {content['study']}; expected {name}")
        rows = [row for row in content["rows"] if row["metrics"]]
        results = [_result(rows, *key) for key in dict.fromkeys((row["setting"], row["length"]) for row in rows)]
        found = StudyFile(name, str(content["what"]), str(content["command"]), results)
    except OSError as error:
        raise SourceError(
            f"{file}: no such file ({error.strerror}); make it with `python -m training study {name}`"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{file}: not the file of a study ({error}); expected {name}.json") from error
    if not results:
        raise SourceError(f"{file}: no setting of the study has been trained yet")
    return found


def _result(rows: Sequence[Mapping[str, Any]], setting: str, length: str) -> Result:
    own = [row for row in rows if (row["setting"], row["length"]) == (setting, length)]
    names = dict.fromkeys(name for row in own for name in row["metrics"])
    values = {name: [float(row["metrics"][name]) for row in own if name in row["metrics"]] for name in names}
    return Result(
        setting,
        length,
        len(own),
        statistics.fmean(float(row["minutes"]) for row in own),
        statistics.fmean(float(row["steps"]) for row in own),
        {name: statistics.fmean(found) for name, found in values.items()},
        {name: statistics.stdev(found) for name, found in values.items() if len(found) > 1},
        [row["curve"] for row in own],
        own[0].get("options", {}),
        bool(own[0].get("part", False)),
    )


def set_names(results: Sequence[Result], metric: str) -> list[str]:
    """The data sets ``SET`` for which some result has ``SET_METRIC``; training pictures are no set."""
    tail = f"_{metric}"
    names = dict.fromkeys(name for result in results for name in result.metrics if name.endswith(tail))
    # "lspet_pa_mpjpe_mm" also ends in "_mpjpe_mm": a set's name has no underscore.
    return [name.removesuffix(tail) for name in names if "_" not in name.removesuffix(tail)]
