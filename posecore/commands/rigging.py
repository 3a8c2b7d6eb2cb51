"""``--rig``: the animation on somebody's own skeleton, for the commands that solve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import arg

from posecore.commands.common import Common, UsageError
from posecore.commands.reporting import Reporter
from posecore.errors import OutputError, PosecoreError

if TYPE_CHECKING:
    from posecore.body.fitting import BodyFit
    from posecore.motion import Motion
    from posecore.retargeting import Mapping, RetargetSettings, Rig

__all__ = ["RigOptions", "Target", "save_outputs"]


@dataclass(frozen=True, kw_only=True)
class RigOptions(Common):
    """Whether and how the movement goes onto another skeleton."""

    rig: Annotated[Path | None, arg(metavar="FILE")] = None
    """Put the movement on this skeleton (.bvh, .glb or .gltf); outputs then hold it. An .npz still holds the motion."""
    rig_preset: Annotated[str, arg(metavar="NAME")] = "auto"
    """Which bones are which: auto, none, the name of a preset (mixamo, unreal4, daz …), or a preset's .json file."""
    travel: Literal["hips", "root"] = "hips"
    """What carries the path over the ground: the hips, or the root bone above them."""
    lock_feet: bool = False
    """Hold feet where they rest on the ground."""

    def target(self, outputs: Sequence[Path], in_place: bool) -> Target | None:
        """Read the rig and find its bones, before any heavy work; None without ``--rig``.

        Raises:
            UsageError: an option that needs ``--rig``, or no output that would hold the rig.
            OutputError: an output that this rig cannot be written to.
            PosecoreError: the rig cannot be read, or its bones are not found.
        """
        if self.rig is None:
            for option in fields(RigOptions):
                shared = any(option.name == other.name for other in fields(Common))
                if not shared and getattr(self, option.name) != option.default:
                    raise UsageError(f"--{option.name.replace('_', '-')}: needs a skeleton; add --rig FILE")
            return None
        rigged = [path for path in outputs if path.suffix.lower() != ".npz"]
        if not rigged:
            raise UsageError("--rig: no output holds it (.npz is the motion itself); add -o NAME.bvh or NAME.glb")
        from posecore.formats.rigs import read_rig, rig_outputs
        from posecore.retargeting import RetargetSettings
        from posecore.retargeting.transfer import check_mapping

        rig = read_rig(self.rig)
        for path in rigged:
            if path.suffix.lower() not in rig_outputs(rig):
                raise OutputError(f"{path}: {self.rig.name} did not come from a glTF file; write .bvh")
        settings = RetargetSettings(travel=self.travel, in_place=in_place, lock_feet=self.lock_feet)
        try:
            mapping = self._mapping(rig)
            check_mapping(rig, mapping, settings)
        except PosecoreError as error:
            raise type(error)(f"{self.rig}: {error}") from error
        return Target(self.rig, rig, mapping, settings)

    def _mapping(self, rig: Rig) -> Mapping:
        from posecore.retargeting import presets
        from posecore.retargeting.automatic import map_rig

        if self.rig_preset.endswith(".json"):
            return map_rig(rig, presets.read(Path(self.rig_preset)))
        return map_rig(rig, None if self.rig_preset == "none" else self.rig_preset)


@dataclass(frozen=True)
class Target:
    """A rig that is ready to take a movement."""

    path: Path
    rig: Rig
    mapping: Mapping
    settings: RetargetSettings

    def facts(self) -> dict[str, Any]:
        """JSON values for the closing line of ``--json``."""
        roles = {role: match.bone for role, match in self.mapping.matches.items()}
        return {"rig": str(self.path), "rig_preset": self.mapping.preset, "roles": roles}

    def describe(self) -> str:
        """What was found, in one line."""
        lines = self.mapping.coverage()
        absent = [line.role for line in lines if not line.bone]
        by = f"preset {self.mapping.preset}" if self.mapping.preset else "names and places"
        found = f"{self.path}: {len(lines) - len(absent)} of {len(lines)} parts found by {by}"
        return found + (f"; no bone for {', '.join(absent)}" if absent else "")


def save_outputs(
    motion: Motion,
    outputs: Sequence[Path],
    target: Target | None,
    reporter: Reporter,
    fit: BodyFit | None = None,
) -> None:
    """Write ``motion``, or its movement on the target, to every path, and pass on all warnings.

    With a fitted body, an .npz holds that body's movement.
    """
    from posecore.retargeting import retarget

    for text in motion.notes.get("warnings", []):
        reporter.warning(str(text))
    rigged = None
    if target is not None:
        reporter.say(target.describe())
        rigged = retarget(motion, target.rig, target.mapping, target.settings)
        doubtful = [f"{line.role} = {line.bone}" for line in target.mapping.coverage() if line.state == "doubtful"]
        if doubtful:
            reporter.warning(f"{target.path}: not sure of {', '.join(doubtful)}; name a preset with --rig-preset")
        for text in rigged.notes.get("warnings", []):
            reporter.warning(f"{target.path}: {text}")
    for path in outputs:
        if rigged is not None and path.suffix.lower() != ".npz":
            rigged.save(path)
        elif fit is not None and path.suffix.lower() == ".npz":
            fit.save(path)
        else:
            motion.save(path)
