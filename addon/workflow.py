# SPDX-License-Identifier: GPL-3.0-or-later
"""What the buttons and the command line both call: plain functions, no interface.

One direction, as in the library: source → Take (worker process) → Motion → Mapping → action.
Importable without Blender; only :func:`map_target`, :func:`apply` and :func:`new_target` touch its data.
Every failure that a user can act on is a ``posecore.errors.PosecoreError`` with one clear line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from collections.abc import Mapping as MappingType
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import takes_cache

if TYPE_CHECKING:
    import bpy

    from posecore import Motion, SolveSettings, Take
    from posecore.retargeting import Mapping, RetargetSettings, Rig, RigMotion

    from .bridge.actions import ApplyReport
    from .worker_client import WorkerClient

__all__ = [
    "ApplyOptions",
    "CaptureOptions",
    "Movement",
    "action_name",
    "analyse",
    "apply",
    "apply_rig_motion",
    "find_mapping",
    "load_motion",
    "load_movement",
    "map_target",
    "new_target",
    "plan_retarget",
    "preset_switches",
    "read_take",
    "read_target",
    "solve_take",
]

_NAME_BYTES = 63  # what Blender before 5.0 keeps of a name

#: Called with frames done, frames expected (or None), frames a second and seconds left (or None).
Progress = Callable[[int, int | None, float, float | None], None]


@dataclass(frozen=True)
class CaptureOptions:
    """What to analyse and how; the arguments of the worker's ``capture``.

    Attributes:
        source: a video, a folder of pictures, a pattern or a glob.
        estimator: ``auto``, ``sapnet``, ``sapnet-free`` or ``blazepose``.
        provider: ``auto``, ``cpu``, ``cuda``, ``directml`` or ``coreml``.
        start, stop: seconds of the source; None for all of it.
        rate: frames a second of pictures; None for 30. Videos carry their own time.
        people: ``main`` or ``all``.
        temporal: ``online``, ``semi-online`` or ``off``.
    """

    source: str
    estimator: str = "auto"
    provider: str = "auto"
    start: float | None = None
    stop: float | None = None
    rate: float | None = None
    people: str = "main"
    temporal: str = "online"

    def arguments(self) -> dict[str, Any]:
        """All but the source, as keyword arguments for the worker."""
        return {name: value for name, value in asdict(self).items() if name != "source"}


@dataclass(frozen=True)
class ApplyOptions:
    """How a movement is keyed.

    Attributes:
        frame_start: scene frame of the movement's first moment.
        rate: ``resample`` keeps the scene's frame rate, ``set_scene`` sets the scene's to the source's.
        action_name: of the new action; "" takes the armature's name. :func:`action_name` makes a better one.
        stash: keep the action that was there in a muted NLA track.
        switches: ``(bone, property, value)`` to set on the rig so that its FK controls are heard.
    """

    frame_start: float = 1.0
    rate: str = "resample"
    action_name: str = ""
    stash: bool = True
    switches: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Movement:
    """What a file holds, as far as the interface cares.

    Attributes:
        motion: the movement, solved.
        take_path: the Take that it was solved from; "" for a file that holds a finished movement.
        notes: warnings, one line each.
    """

    motion: Motion
    take_path: str = ""
    notes: tuple[str, ...] = field(default=())


def analyse(
    client: WorkerClient,
    options: CaptureOptions,
    on_progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    folder: str | Path | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> list[Path]:
    """Capture a source in the worker process, and wait for it. A clip analysed before comes from the cache.

    Args:
        client: started or not; it is started when needed, and left running.
        cancelled: asked often; once it says True the job is cancelled.
        folder: of the cache; None takes :func:`takes_cache.default_folder`.
        on_warning: called with one line for each thing that a user should know.

    Returns:
        The Takes' files, one a person, the main person first.

    Raises:
        Cancelled: ``cancelled`` said so.
        SourceError, NoPersonError, PosecoreError: as ``posecore.capture``; also when the worker crashed.
    """
    from posecore.errors import Cancelled, PosecoreError

    from .worker_events import concerns, message_of, progress_of, raise_for

    entry = takes_cache.entry_for(options, folder)
    if known := entry.takes():
        return known
    job = start_analysis(client, options, entry)
    asked = False
    while True:
        if cancelled is not None and cancelled() and not asked:
            client.cancel(job)
            asked = True
        events = [event for event in client.poll() if concerns(event, job)]
        for event in events:
            if event.kind == "progress" and on_progress is not None:
                on_progress(*progress_of(event))
            elif event.kind == "warning" and on_warning is not None:
                on_warning(message_of(event))
            elif event.kind == "done":
                if asked:
                    raise Cancelled("stopped; nothing was changed")
                return entry.finish(event.values["takes"])
            elif event.kind in ("error", "crashed"):
                raise_for(event)
        if not events:
            if not client.alive:  # and it said nothing: never wait for one that is gone
                raise PosecoreError("the worker process has gone; try again, or restart it in the preferences")
            takes_cache.pause(0.02)


def start_analysis(client: WorkerClient, options: CaptureOptions, entry: takes_cache.Entry) -> str:
    """Send the job to the worker (started if need be) and return its id; never waits for it."""
    from posecore.errors import SourceError

    if not options.source:
        raise SourceError("no source chosen; choose a video, a folder of pictures or a Take first")
    return client.capture(options.source, str(entry.prepare()), **options.arguments())


def solve_take(path: str | Path, settings: SolveSettings | None = None) -> Motion:
    """Solve a Take file. Cheap enough to repeat on every move of a slider.

    Raises:
        SourceError: not a Take.
        PosecoreError: nothing in it can be solved.
    """
    from posecore import solve

    return solve(read_take(path), settings) if settings is not None else solve(read_take(path))


def read_take(path: str | Path) -> Take:
    """A Take, kept in memory until the file changes: sliders solve the same one over and over."""
    return takes_cache.read_take(str(path))


def load_motion(path: str | Path) -> Motion:
    """A finished movement: AMASS-style ``.npz``, posecore's own ``.npz``, or a ``.bvh`` written by posecore.

    Raises:
        SourceError: missing, unreadable, or of another kind.
    """
    from posecore import Motion

    return Motion.load(path)


def load_movement(path: str | Path, settings: SolveSettings | None = None) -> Movement:
    """Whatever movement a file holds: a Take is solved, anything else is read as it is.

    Raises:
        SourceError: missing, unreadable, or of another kind.
    """
    from .sources import is_take

    if is_take(path):
        motion, take_path = solve_take(path, settings), str(path)
    else:
        motion, take_path = load_motion(path), ""
    return Movement(motion, take_path, tuple(map(str, motion.notes.get("warnings", ()))))


def find_mapping(
    armature: bpy.types.Object, preset: Any = "auto", choices: MappingType[str, str] | None = None
) -> tuple[Rig, Mapping]:
    """Find out which bone plays which role; quick, but see :func:`read_target` for a rig to retarget to.

    Args:
        preset: ``"auto"``, a preset's name, a ``Preset``, or None for names and places alone.
        choices: role → bone ("" for none) that the user decided; they win over everything.

    Raises:
        PosecoreError: not a rig that can be used, or a preset that does not fit it.
    """
    from posecore.errors import PosecoreError
    from posecore.retargeting.automatic import map_rig

    from .bridge.rigs import read_rig

    rig = read_rig(armature)
    try:
        mapping = map_rig(rig, _preset_for(rig, preset))
        for role, bone in (choices or {}).items():
            if bone and bone not in rig:
                raise PosecoreError(f"{armature.name}: has no bone {bone!r} for {role}; choose another one")
            mapping = mapping.with_bone(role, bone)
    except KeyError as error:
        raise PosecoreError(f"{armature.name}: {error.args[0] if error.args else error}") from error
    return rig, mapping


def read_target(armature: bpy.types.Object, mapping: Mapping) -> Rig:
    """The rig as it behaves while the mapped bones are keyed: what its constraints make of a control rig is tried out.

    Raises:
        PosecoreError: not an armature, or it lacks bones that the mapping names.
    """
    from posecore.errors import PosecoreError

    from .bridge.rigs import read_rig

    rig = read_rig(armature)
    if gone := mapping.missing(rig):
        raise PosecoreError(f"{armature.name} has no bones {', '.join(gone[:3])} any more; press Map Bones to map anew")
    return read_rig(armature, mapping, preset_switches(mapping, rig))


def map_target(
    armature: bpy.types.Object, preset: Any = "auto", choices: MappingType[str, str] | None = None
) -> tuple[Rig, Mapping]:
    """:func:`find_mapping`, then :func:`read_target`: all that :func:`apply` needs of a rig. The same errors."""
    _, mapping = find_mapping(armature, preset, choices)
    return read_target(armature, mapping), mapping


def _preset_for(rig: Rig, preset: Any) -> Any:
    """A user's own preset goes before a shipped one: it was saved because the automatic mapping would not do."""
    from posecore.retargeting import ROLES, presets

    if not isinstance(preset, str):
        return preset
    folder = _presets_folder()
    if preset != "auto":
        return presets.load(preset, folder)
    needed = {name for name, role in ROLES.items() if role.required}
    own = [
        one for one in presets.listing(folder) if (folder / f"{one.name}.json").is_file() and needed <= set(one.roles)
    ]
    return presets.best(rig, own) or "auto"


def plan_retarget(
    motion: Motion,
    rig: Rig,
    mapping: Mapping,
    settings: RetargetSettings | None = None,
    shape: tuple[float, ...] | None = None,
) -> RigMotion:
    """The rig's own movement. Plain numbers: may run outside Blender's main thread.

    Args:
        shape: of a body target (:func:`.bodies.shape_of`), which is fitted instead, unless feet shall be held.

    Raises:
        PosecoreError: a required role has no bone.
    """
    from posecore.errors import PosecoreError
    from posecore.retargeting import RetargetSettings
    from posecore.retargeting.transfer import retarget

    if shape is not None and not (settings and settings.lock_feet):
        from .bodies import plan_body

        return plan_body(motion, rig, shape)
    lacking = [line.role for line in mapping.coverage() if line.state == "required"]
    if lacking:
        raise PosecoreError(f"no bone is chosen for {', '.join(lacking)}; choose one in the list of bones")
    return retarget(motion, rig, mapping, settings or RetargetSettings())


def apply(
    motion: Motion,
    armature: bpy.types.Object,
    mapping: Mapping | None = None,
    settings: RetargetSettings | None = None,
    options: ApplyOptions | None = None,
    scene: bpy.types.Scene | None = None,
    rig: Rig | None = None,
) -> ApplyReport:
    """Put a Motion on an armature as a new action; nothing else of it changes.

    Args:
        mapping: None maps it automatically.
        scene: None takes the current one.
        rig: as :func:`map_target` or :func:`read_target` gave it; None reads the armature.

    Raises:
        PosecoreError: the armature, its mapping or its action cannot be used; nothing was changed then.
    """
    if mapping is None:
        rig, mapping = map_target(armature)
    elif rig is None:
        rig = read_target(armature, mapping)
    rig_motion = plan_retarget(motion, rig, mapping, settings)
    return apply_rig_motion(rig_motion, armature, options or ApplyOptions(), preset_switches(mapping, rig), scene)


def action_name(armature: bpy.types.Object, source: str | os.PathLike[str]) -> str:
    """A name for the action: the armature's and the clip's, so that another clip does not write over this one's keys.

    Of a row of pictures (``shot_0001.png``, ``shot_%04d.png``, ``shot_*.png``) the clip is what they have in common.
    """
    clip = Path(source).stem
    clip = re.sub(r"[\W_]*(%0?\d*d|\*|\d{3,})$", "", clip) or clip
    return f"{armature.name} {clip}".encode()[:_NAME_BYTES].decode(errors="ignore").strip()


def apply_rig_motion(
    rig_motion: RigMotion,
    armature: bpy.types.Object,
    options: ApplyOptions,
    switches: tuple[Any, ...] = (),
    scene: bpy.types.Scene | None = None,
) -> ApplyReport:
    """Write the keys: the only step that changes Blender's data."""
    import bpy

    from .bridge.actions import apply_motion

    return apply_motion(
        rig_motion,
        armature,
        scene or bpy.context.scene,
        frame_start=options.frame_start,
        rate=options.rate,
        action_name=options.action_name or f"{armature.name} mocap",
        switches=options.switches or switches,
        stash=options.stash,
    )


def preset_switches(mapping: Mapping, rig: Rig) -> tuple[Any, ...]:
    """The switches of the preset that a mapping came from (Rigify's IK_FK, …); () for none."""
    from posecore.errors import PosecoreError
    from posecore.retargeting import presets

    if not mapping.preset:
        return ()
    try:
        return tuple(presets.load(mapping.preset, _presets_folder()).switches_of(rig))
    except PosecoreError:  # a user's preset that is gone since: its bones are mapped all the same
        return ()


def _presets_folder() -> Path:
    from .paths import presets_folder

    return presets_folder()


def new_target(motion: Motion, collection: bpy.types.Collection, name: str = "Mocap") -> bpy.types.Object:
    """A new SMPL-24 armature with the proportions of ``motion``."""
    from .bridge.skeletons import new_skeleton

    return new_skeleton(motion, collection, name)
