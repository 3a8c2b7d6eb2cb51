"""Run a study of :mod:`training.studies`: its settings in turn, and one table. ``python -m training study NAME``.

    python -m training study ablation --data DATA --synthetic runs/synthetic --out runs/studies --minutes-each 5

Writes ``OUT/NAME.json`` and ``OUT/NAME.csv`` after every setting, so that a study can be stopped and called again: what
is done is not done again, what was begun goes on from its check-point. The JSON::

    {"study": NAME, "what": the question, "command": …,
     "rows": [{"setting": name, "recipe": name, "seed": 0, "length": "5min", "part": false,
               "minutes": training time, "steps": optimiser steps,
               "metrics": {"lspet_pck": 0.41, …},                  # SET_METRIC at the end; *_mm in millimetres
               "curve": [{"step": 50, "minutes": 0.5, "lspet_pck": 0.12, "loss_heatmap": 2.9, …}, …],
               "options": {…}}, …]}

The CSV has a line a row without curves and options. Sets: ``lspet``, ``people``, ``synthetic``, ``bodies`` (validation
pictures; ``lspet_train`` and so on: training pictures), ``cmu`` (held-out subjects under virtual cameras and noise).
"""

from __future__ import annotations

import csv
import importlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from posecore.errors import PosecoreError, SourceError
from posecore.files import atomic_path
from training.studies import STUDIES, Setting, Study

__all__ = ["StudyOptions", "folder_of", "main", "run", "run_study"]

#: Recipe -> module, its dataclass of options, and the set that its figures are of where they name none.
_RECIPES = {
    "sapnet": ("training.recipes.sapnet", "SapNetRecipe", ""),
    "ordinal": ("training.recipes.ordinal", "OrdinalRecipe", ""),
    "lift": ("training.recipes.lift", "Config", "cmu_"),
    "temporal": ("training.recipes.temporal", "Config", "cmu_"),
    "smpl": ("training.recipes.smpl", "SmplRecipe", ""),
}
_BOOKKEEPING = {"step", "elapsed", "stage", "stage_name", "stage_step", "stage_elapsed", "lr", "learning_rate"}


@dataclass(frozen=True)
class StudyOptions:
    """Run a study.

    Attributes:
        name: of training.studies.STUDIES.
        data: folder of the shared data sets.
        synthetic: folder of rendered shards, for the studies on pictures with 3D.
        bodies: folder of rendered bodies, masks: LSPET's silhouettes, for the studies of the mesh regressor.
        cache: folder of the decoded pictures; default ``out``/cache.
        out: folder of the studies.
        minutes_each: training time of a setting of share 1; steps_each: steps instead, which no other work on the
            machine disturbs.
        seeds: every setting is trained once with each.
        only: names of settings to run; what they start from must be there or named too.
        given: ``SETTING=PATH``: settings that start from that one take it from here; it is not trained.
        size: input side of the networks on pictures, px, if not the study's.
    """

    name: tyro.conf.Positional[str]
    data: Path
    synthetic: Path | None = None
    bodies: Path | None = None
    masks: Path | None = None
    cache: Path | None = None
    out: Path = Path("runs/studies")
    minutes_each: float = 5.0
    steps_each: int | None = None
    seeds: tuple[int, ...] = (0,)
    only: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    size: int | None = None

    @property
    def length(self) -> str:
        """A name for how long a setting trains."""
        return f"{self.steps_each}steps" if self.steps_each else f"{self.minutes_each:g}min"


def run(options: StudyOptions) -> Path:
    """Run the named study; the path of its JSON.

    Raises:
        PosecoreError: there is no such study or setting, or a recipe fails.
    """
    if options.name not in STUDIES:
        raise PosecoreError(f"study {options.name}: unknown; choose one of {', '.join(STUDIES)}")
    return run_study(STUDIES[options.name], options)


def run_study(study: Study, options: StudyOptions) -> Path:
    """Run every setting of ``study`` that is not in the table yet."""
    names = [setting.name for setting in study.settings]
    if unknown := [name for name in options.only if name not in names]:
        raise PosecoreError(f"--only {unknown[0]}: no such setting; choose from {', '.join(names)}")
    given = _given(study, options)
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / f"{options.name}.json"
    rows = _read_rows(table)
    chosen = [setting for setting in study.settings if not options.only or setting.name in options.only]
    chosen = [setting for setting in chosen if setting.name not in given]
    for seed in options.seeds:
        for setting in chosen:
            key = (setting.name, seed, options.length)
            if any((row["setting"], row["seed"], row["length"]) == key for row in rows):
                continue
            print(f"{options.name}: {setting.name}, seed {seed}", flush=True)
            folder = _folder(options, setting.name, seed)
            module, recipe, values = _recipe(study, setting, options, seed, folder)
            module.run(recipe)
            rows.append(_row(setting, seed, options.length, folder, values))
            _write(table, study, options, rows)
    return table


def _given(study: Study, options: StudyOptions) -> dict[str, Path]:
    """Settings that others start from and that are not to be trained, and where they are."""
    texts = [value for setting in study.settings for value in setting.options.values() if isinstance(value, str)]
    parts = [setting.name for setting in study.settings if any(f"{{{setting.name}}}" in text for text in texts)]
    given = {}
    for text in options.given:
        name, _, path = text.partition("=")
        if name not in parts or not path:
            known = ", ".join(f"{part}=PATH" for part in parts) or "nothing: no setting starts from another"
            raise PosecoreError(f"--given {text}: expected {known}")
        if not Path(path).exists():
            raise SourceError(f"--given {text}: {path} does not exist")
        given[name] = Path(path)
    return given


def folder_of(out: Path, study: str, length: str, setting: str, seed: int) -> Path:
    """Where a setting's run is kept below the folder of the studies."""
    plain = re.sub(r"[^\w+-]+", "-", setting)
    return out / study / length / f"{plain}-seed{seed}"


def _folder(options: StudyOptions, setting: str, seed: int) -> Path:
    return folder_of(options.out, options.name, options.length, setting, seed)


def _recipe(
    study: Study, setting: Setting, options: StudyOptions, seed: int, folder: Path
) -> tuple[Any, Any, dict[str, Any]]:
    """The recipe's module, its filled dataclass, and the setting's own options as they were."""
    name, kind, _ = _RECIPES[setting.recipe]
    module = importlib.import_module(name)
    places = {other.name: str(_folder(options, other.name, seed)) for other in study.settings}
    ready = _given(study, options)
    given = {key: _placed(value, places, ready) for key, value in setting.options.items()}
    length = options.minutes_each * setting.share
    steps = round(options.steps_each * setting.share) if options.steps_each else None
    every = max(1, (steps or 0) // study.evaluations)
    values: dict[str, Any] = {"data": options.data, "out": folder}
    if setting.recipe in ("sapnet", "ordinal"):
        values |= {"cache": options.cache or options.out / "cache", "synthetic": options.synthetic, "seed": seed}
        values |= {"minutes": length, "steps": steps}
        given |= {"size": options.size} if options.size else {}
        values |= {"validate_minutes": length / study.evaluations, "validate_steps": every if steps else None}
    elif setting.recipe == "smpl":
        values |= {"cache": options.cache or options.out / "cache", "bodies": options.bodies, "masks": options.masks}
        values |= {"loop.seed": seed, "loop.minutes": length, "loop.steps": steps}
        values |= {"loop.validate_minutes": length / study.evaluations, "loop.validate_steps": every if steps else None}
    else:
        values |= {"loop.seed": seed}
        if steps:
            values |= {"loop.steps": steps, "loop.evaluate_every": every, "loop.log_every": every}
        else:
            values |= {"loop.minutes": length, "loop.evaluate_minutes": length / study.evaluations}
    values |= {key: value for key, value in given.items() if not (steps and key == "loop.log_every")}
    return module, _filled(getattr(module, kind), values), given


def _placed(value: Any, places: Mapping[str, str], ready: Mapping[str, Path]) -> Any:
    """``"{other}/file"`` with the folder of the setting ``other``, or what is given instead of it."""
    if not isinstance(value, str) or "{" not in value:
        return value
    if other := next((name for name in ready if f"{{{name}}}" in value), None):
        return ready[other]
    return Path(re.sub(r"\{([^}]+)\}", lambda hit: places[hit[1]], value))


def _filled(kind: type, values: Mapping[str, Any]) -> Any:
    """A dataclass from options whose dotted names reach into nested ones."""
    own = {name: value for name, value in values.items() if "." not in name}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if "." in name:
            outer, inner = name.split(".")
            nested.setdefault(outer, {})[inner] = value
    filled = kind(**own)
    for outer, changes in nested.items():
        filled = replace(filled, **{outer: replace(getattr(filled, outer), **changes)})
    return filled


def _row(setting: Setting, seed: int, length: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    prefix = _RECIPES[setting.recipe][2]
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    # A run that was killed and resumed logged some steps twice; the later line is the one that counts.
    curve = list({line["step"]: _point(line, prefix) for line in lines}.values())
    measured = [point for point in curve if _metrics(point)]
    if not measured:
        raise SourceError(f"{folder / 'log.jsonl'}: the run measured nothing; remove the folder and run again")
    return {
        "setting": setting.name,
        "recipe": setting.recipe,
        "seed": seed,
        "length": length,
        "part": setting.part,
        "minutes": round(float(lines[-1]["elapsed"]), 3),
        "steps": int(lines[-1]["step"]),
        "metrics": _metrics(measured[-1]),
        "curve": curve,
        "options": {name: _plain(value) for name, value in options.items()},
    }


def _point(line: Mapping[str, Any], prefix: str) -> dict[str, float]:
    point = {"step": line["step"], "minutes": round(line["elapsed"], 4)}
    for name, value in line.items():
        if name not in _BOOKKEEPING and value == value:  # a NaN is no JSON
            point[name if name.startswith("loss") else prefix + name] = value
    return point


def _metrics(point: Mapping[str, float]) -> dict[str, float]:
    return {n: v for n, v in point.items() if n not in ("step", "minutes") and not n.startswith("loss")}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return str(value) if isinstance(value, Path) else value


def _read_rows(table: Path) -> list[dict[str, Any]]:
    if not table.exists():
        return []
    try:
        return list(json.loads(table.read_text(encoding="utf-8"))["rows"])
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{table}: not a study's table ({error}); move it away") from error


def _write(table: Path, study: Study, options: StudyOptions, rows: list[dict[str, Any]]) -> None:
    each = f"--steps-each {options.steps_each}" if options.steps_each else f"--minutes-each {options.minutes_each:g}"
    given = {
        "--synthetic RENDERED": options.synthetic,
        "--bodies BODIES": options.bodies,
        "--masks MASKS": options.masks,
    }
    inputs = "".join(f" {text}" for text, value in given.items() if value)
    command = f"python -m training study {options.name} --data DATA{inputs} {each}"
    command += "".join(f" --given {text.partition('=')[0]}=WEIGHTS" for text in options.given)
    command += f" --size {options.size}" if options.size else ""
    seeds = sorted({row["seed"] for row in rows})
    if seeds != [0]:
        command += " --seeds " + " ".join(map(str, seeds))
    content = {"study": options.name, "what": study.what, "command": command, "rows": rows}
    with atomic_path(table) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    metrics = sorted({name for row in rows for name in row["metrics"]})
    head = ["setting", "recipe", "seed", "length", "part", "minutes", "steps"]
    with atomic_path(table.with_suffix(".csv")) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*head, *metrics])
        writer.writerows([*(row[name] for name in head), *(row["metrics"].get(n, "") for n in metrics)] for row in rows)


def main(args: list[str] | None = None) -> None:
    """The command."""
    print(run(tyro.cli(StudyOptions, prog="python -m training study", args=args)))
