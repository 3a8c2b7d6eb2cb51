# SPDX-License-Identifier: GPL-3.0-or-later
"""One clip onto the rigs of the open file, without a window: the functions of the buttons, one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from posecore.commands.common import UsageError, check_outputs
from posecore.errors import Cancelled, NoPersonError, OutputError, PosecoreError

from . import bodies, exporting, paths, workflow

if TYPE_CHECKING:
    from posecore import Motion
    from posecore.retargeting import Mapping

    from .arguments import AnimateOptions
    from .bridge.actions import ApplyReport
    from .console import Console
    from .worker_client import WorkerClient

__all__ = ["Outcome", "animate", "check", "make_client"]


@dataclass
class Outcome:
    """What became of one clip, as JSON values; filled while the work goes on, so that a fault leaves what was done."""

    facts: dict[str, Any] = field(default_factory=dict)
    rigs: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**self.facts, "rigs": self.rigs, "outputs": self.outputs, "warnings": self.warnings}

    def summary(self) -> str:
        """One line for people."""
        on = ", ".join(rig["rig"] for rig in self.rigs)
        made = self.facts.get("estimator") or "movement"
        return (
            f"{made}: {self.facts.get('frames', 0)} frames at {self.facts.get('rate', 0):g} frames/s "
            f"({self.facts.get('seconds', 0):.1f} s) on {on} -> {', '.join(self.outputs)}"
        )


def make_client(python: str | None) -> WorkerClient:
    """The worker's client as the preferences say; ``python`` wins over them."""
    from .worker_client import WorkerClient

    chosen = paths.preferences()
    weights = paths.absolute(chosen.weights)
    environment = {"POSECORE_WEIGHTS": weights} if weights else {}
    return WorkerClient(python or paths.absolute(chosen.python) or None, environment=environment)


def animate(
    options: AnimateOptions,
    client: WorkerClient,
    console: Console,
    cancelled: Callable[[], bool],
    outcome: Outcome | None = None,
) -> Outcome:
    """Source → Motion → the rigs of the current scene → files.

    Args:
        client: for videos; started when needed, left running.
        outcome: to fill.

    Raises:
        PosecoreError: what went wrong; ``outcome`` holds what was done until then.
    """
    outcome = outcome if outcome is not None else Outcome()

    def warn(text: object) -> None:
        outcome.warnings.append(" ".join(str(text).split()))
        console.warning(str(text))

    armatures = check(options)
    motions = _movements(options, client, console, cancelled, outcome, warn)
    _stop_if(cancelled, outcome)
    done = _put_on(options, motions, armatures, outcome, warn)
    scene = bpy.context.scene
    first = min(math.floor(rig["frames"][0] + 1e-3) for rig in outcome.rigs)
    last = max(math.ceil(rig["frames"][1] - 1e-3) for rig in outcome.rigs)
    if options.set_range:
        scene.frame_end = max(last, scene.frame_end)
        scene.frame_start, scene.frame_end = first, last
    job = exporting.Job(scene, tuple(done), first, last, options.deform_only, console.debug)
    for path in options.output:
        _stop_if(cancelled, outcome)
        console.say(f"writing {path}")
        outcome.outputs += [str(file) for file in exporting.export(path, job)]
    return outcome


# -- before the heavy work


def check(options: AnimateOptions) -> list[bpy.types.Object]:
    """Find out what would fail later; returns the armatures, [] for a new skeleton or body.

    Raises:
        UsageError, OutputError, PosecoreError: one line each.
    """
    check_outputs([(path, exporting.SUFFIXES) for path in options.output], inputs=[options.source])
    for path in options.output:
        if reason := exporting.available(path.suffix):
            raise OutputError(f"{path}: {reason}")
    if options.new_skeleton or options.new_body:
        return []
    armatures = _armatures(options)
    for armature in armatures:
        _mapping(armature, options)
    return armatures


def _armatures(options: AnimateOptions) -> list[bpy.types.Object]:
    scene = bpy.context.scene
    there = {thing.name: thing for thing in scene.objects if thing.type == "ARMATURE"}
    file = Path(bpy.data.filepath).name or "this file"
    listing = ", ".join(sorted(there))
    if not there:
        raise UsageError(
            f"{file}: no armature in scene {scene.name!r}; open another .blend, or use --new-skeleton or --new-body"
        )
    if not options.rig:
        if len(there) > 1:
            raise UsageError(f"{file}: several armatures; name one with --rig: {listing}")
        return list(there.values())
    unknown = [name for name in options.rig if name not in there]
    if unknown:
        raise UsageError(f"{file}: no armature {unknown[0]!r} in scene {scene.name!r}; --rig can be: {listing}")
    if len(set(options.rig)) < len(options.rig):
        raise UsageError("--rig: the same armature is named twice; each person needs one of their own")
    return [there[name] for name in options.rig]


def _mapping(armature: bpy.types.Object, options: AnimateOptions) -> Mapping:
    _, mapping = workflow.find_mapping(armature, options.preset, dict(options.map))
    lacking = [line.role for line in mapping.coverage() if line.state == "required"]
    if lacking:
        example = f"--map {lacking[0]}=BONE"
        raise PosecoreError(f"{armature.name}: no bone found for {', '.join(lacking)}; name them as in {example}")
    return mapping


# -- the work


def _movements(
    options: AnimateOptions,
    client: WorkerClient,
    console: Console,
    cancelled: Callable[[], bool],
    outcome: Outcome,
    warn: Callable[[object], None],
) -> list[Motion]:
    """The people's movements, the main person first; with --person that one alone."""
    files = [Path(options.source)]
    if options.kind == "video":
        console.say(f"looking at {options.source}")
        files = workflow.analyse(
            client,
            options.capture,
            on_progress=lambda done, total, fps, left: console.progress("capture", done, total, fps, left),
            cancelled=cancelled,
            folder=options.takes or paths.cache_folder(),
            on_warning=warn,
        )
        console.close()
        if not files:
            raise NoPersonError(f"{options.source}: no person found")
    if options.person is not None:
        if options.person > len(files):
            people = f"{len(files)} person was" if len(files) == 1 else f"{len(files)} people were"
            raise NoPersonError(f"{options.source}: {people} found; --person {options.person} is not there")
        files = [files[options.person - 1]]
    motions = []
    for file in files:
        if options.kind == "motion":
            motion = workflow.load_motion(file)
        else:
            motion = workflow.solve_take(file, options.solve)
        motions.append(motion)
        for text in motion.notes.get("warnings", []):
            warn(text)
    outcome.facts.update(_describe(options, files[0], motions[0]))
    outcome.facts["people"] = len(motions)
    if choice := outcome.facts.get("estimator_choice"):
        console.say(choice)
    return motions


def _describe(options: AnimateOptions, file: Path, motion: Motion) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "source": options.source,
        "estimator": "",
        "frames": len(motion),
        "rate": round(motion.rate, 3),
        "seconds": round(float(motion.times[-1] - motion.times[0]), 3) if len(motion) else 0.0,
    }
    if options.kind != "motion":
        take = workflow.read_take(file)
        facts["estimator"] = take.estimator
        if choice := take.notes.get("estimator_choice"):
            facts["estimator_choice"] = str(choice)
    return facts


def _put_on(
    options: AnimateOptions,
    motions: list[Motion],
    armatures: list[bpy.types.Object],
    outcome: Outcome,
    warn: Callable[[object], None],
) -> list[bpy.types.Object]:
    """Key one rig a person; returns those rigs."""
    scene = bpy.context.scene
    if options.new_skeleton or options.new_body:
        make = bodies.new_body if options.new_body else workflow.new_target
        armatures = [make(motion, scene.collection) for motion in motions]
    if len(motions) > len(armatures):
        left = len(motions) - len(armatures)
        warn(f"{len(motions)} people were found for {len(armatures)} rig(s); {left} left out: repeat --rig for more")
    elif len(motions) < len(armatures):
        idle = ", ".join(armature.name for armature in armatures[len(motions) :])
        warn(f"{len(motions)} people were found for {len(armatures)} rigs; nothing was changed on {idle}")
    done = []
    for motion, armature in zip(motions, armatures, strict=False):
        mapping = _mapping(armature, options)
        rig = workflow.read_target(armature, mapping)
        planned = workflow.plan_retarget(motion, rig, mapping, options.retarget, bodies.shape_of(armature))
        switches = workflow.preset_switches(mapping, rig)
        keying = options.apply
        if not keying.action_name:
            keying = replace(keying, action_name=workflow.action_name(armature, options.source))
        report = workflow.apply_rig_motion(planned, armature, keying, switches, scene)
        told = [*mapping.warnings, *rig.warnings, *planned.notes.get("warnings", []), *report.warnings]
        for text in dict.fromkeys(told):
            warn(text)
        outcome.rigs.append(_rig_facts(armature, mapping, report))
        done.append(armature)
    return done


def _rig_facts(armature: bpy.types.Object, mapping: Mapping, report: ApplyReport) -> dict[str, Any]:
    lines = mapping.coverage()
    return {
        "rig": armature.name,
        "preset": mapping.preset,
        "action": report.action,
        "frames": [round(report.first, 3), round(report.last, 3)],
        "keys": report.keys,
        "stashed": report.stashed,
        "mapped": sum(line.state in ("mapped", "doubtful") for line in lines),
        "doubtful": [line.role for line in lines if line.state == "doubtful"],
        "unmapped": [line.role for line in lines if line.state == "unmapped"],
    }


def _stop_if(cancelled: Callable[[], bool], outcome: Outcome) -> None:
    if cancelled():
        written = f"written: {', '.join(outcome.outputs)}" if outcome.outputs else "nothing was written"
        raise Cancelled(f"stopped; {written}")
