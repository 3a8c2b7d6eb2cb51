"""Acclaim motion capture: an ASF skeleton and an AMC motion, as the CMU database publishes them.

Format: Lander, "Working with motion capture file formats" (Game Developer, 1998). A bone's motion angles turn it
about its own ``axis`` frame C: local rotation = C M C⁻¹, with Euler angles applied X first ("XYZ": R = Rz Ry Rx).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from training.readers.checks import file_at

__all__ = ["CMU_METRES", "AmcMotion", "Asf", "parse_amc", "parse_asf", "read_amc_file", "read_asf_file"]

Array = NDArray[np.float64]

#: The CMU files count length in 1/0.45 inch.
CMU_METRES = 0.0254 / 0.45

_ANGLES = ("rx", "ry", "rz")
_PLACES = ("tx", "ty", "tz")


@dataclass(frozen=True)
class Asf:
    """A skeleton at rest, in metres.

    Attributes:
        names: B bone names, ``"root"`` first, every parent before its children.
        parents: B indices, -1 for the root.
        offsets: (B, 3) m, from the start of each bone to its end at rest; the root's is zero.
        axes: (B, 3, 3) each bone's frame C, in the world's axes.
        channels: per bone, the names of its degrees of freedom in the order of the AMC's numbers.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Array
    axes: Array
    channels: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class AmcMotion:
    """A motion of an :class:`Asf`, in the capture's own frame (CMU: Y up, rest facing +Z, left = +X).

    Attributes:
        rest: the skeleton.
        root: (T, 3) m, place of the root.
        rotations: (T, B, 4) xyzw, *global* turn of every bone from its rest pose (identity at rest).
    """

    rest: Asf
    root: Array
    rotations: Array

    def __len__(self) -> int:
        return len(self.root)

    def ends(self) -> Array:
        """(T, B, 3) m: where every bone ends, by forward kinematics; the root's is its place."""
        count, bones = self.rotations.shape[:2]
        matrices = Rotation.from_quat(self.rotations.reshape(-1, 4)).as_matrix().reshape(count, bones, 3, 3)
        places = np.empty((count, bones, 3))
        for bone, parent in enumerate(self.rest.parents):
            if parent < 0:
                places[:, bone] = self.root
            else:
                places[:, bone] = places[:, parent] + matrices[:, bone] @ self.rest.offsets[bone]
        return places


def read_asf_file(path: str | Path, metres: float = CMU_METRES) -> Asf:
    """Read an ASF file; see :func:`parse_asf`. Raises SourceError where it is missing or malformed."""
    path = file_at(path, "an Acclaim skeleton, .asf")
    return parse_asf(path.read_text(encoding="latin-1"), str(path), metres)


def read_amc_file(path: str | Path, rest: Asf, metres: float = CMU_METRES, step: int = 1) -> AmcMotion:
    """Read an AMC file; see :func:`parse_amc`. Raises SourceError where it is missing or malformed."""
    path = file_at(path, "an Acclaim motion, .amc")
    return parse_amc(path.read_text(encoding="latin-1"), rest, str(path), metres, step)


def _euler(angles: Array, order: str = "XYZ") -> Rotation:
    """(N, 3) degrees, the first axis of ``order`` applied first (about fixed axes)."""
    return Rotation.from_euler(order.lower(), angles, degrees=True)


def parse_asf(text: str, source: str, metres: float = CMU_METRES) -> Asf:
    """The skeleton in the text of an ASF file.

    Args:
        source: named in errors.
        metres: length of the file's unit.

    Raises:
        SourceError: not ASF, or a bone without direction, length or place in the hierarchy.
    """
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    sections: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines:
        if line.startswith(":"):
            current = sections.setdefault(line[1:].split()[0].lower(), [])
        elif line:
            current.append(line)
    for needed in ("root", "bonedata", "hierarchy"):
        if needed not in sections:
            raise SourceError(f"{source}: no :{needed} section; expected an Acclaim skeleton (.asf), cut off perhaps")
    degrees = not any(line.lower().split() == ["angle", "rad"] for line in sections.get("units", []))
    if not degrees:
        raise SourceError(f"{source}: angles in radians; expected degrees as in the CMU files")
    bones = _bones(sections["bonedata"], source)
    parents = _hierarchy(sections["hierarchy"], source)
    names, tree = ["root"], [-1]
    for name, parent in parents.items():
        if parent not in names or name not in bones:
            raise SourceError(f"{source}: the hierarchy names {name!r} under {parent!r}, which :bonedata does not hold")
        names.append(name)
        tree.append(names.index(parent))
    root = dict(line.lower().split(maxsplit=1) for line in sections["root"] if " " in line)
    root_axis = root.get("axis", "XYZ").upper()
    turn = _euler(np.array([root.get("orientation", "0 0 0").split()], float), root_axis).as_matrix()
    kept = [bones[name] for name in names[1:]]
    return Asf(
        names=tuple(names),
        parents=tuple(tree),
        offsets=np.array([np.zeros(3), *(bone.offset for bone in kept)]) * metres,
        axes=np.concatenate([turn, *(bone.axis[None] for bone in kept)]),
        channels=(tuple(root.get("order", "tx ty tz rx ry rz").lower().split()), *(bone.channels for bone in kept)),
    )


@dataclass(frozen=True)
class _Bone:
    offset: Array
    axis: Array
    channels: tuple[str, ...]


def _bones(lines: list[str], source: str) -> dict[str, _Bone]:
    bones: dict[str, _Bone] = {}
    block: dict[str, list[str]] = {}
    for line in lines:
        words = line.split()
        if words[0].lower() == "begin":
            block = {}
        elif words[0].lower() == "end":
            try:
                name = block["name"][0]
                order = block["axis"][3] if len(block["axis"]) > 3 else "XYZ"
                bones[name] = _Bone(
                    np.array(block["direction"][:3], float) * float(block["length"][0]),
                    _euler(np.array([block["axis"][:3]], float), order).as_matrix()[0],
                    tuple(word.lower() for word in block.get("dof", [])),
                )
            except (KeyError, IndexError, ValueError) as error:
                said = block.get("name", ["?"])[0]
                raise SourceError(f"{source}: bone {said!r} lacks name, direction, length or axis ({error})") from error
        else:
            block[words[0].lower()] = words[1:]
    return bones


def _hierarchy(lines: list[str], source: str) -> dict[str, str]:
    """Bone -> parent, in the order of the file."""
    parents: dict[str, str] = {}
    for line in lines:
        words = line.split()
        if words[0].lower() not in ("begin", "end"):
            parents.update(dict.fromkeys(words[1:], words[0]))
    if not parents:
        raise SourceError(f"{source}: an empty :hierarchy")
    return parents


def parse_amc(text: str, rest: Asf, source: str, metres: float = CMU_METRES, step: int = 1) -> AmcMotion:
    """The motion in the text of an AMC file.

    Args:
        rest: the subject's skeleton.
        source: named in errors.
        metres: length of the file's unit.
        step: keep every step-th frame (CMU: 120 frames/s, so 4 gives 30).

    Raises:
        SourceError: not AMC, a bone that ``rest`` lacks, or a wrong number of values.
    """
    values = _frames(text, rest, source)[::step]
    root_channels = rest.channels[0]
    start = 0
    root = np.zeros((len(values), 3))
    rotations = np.empty((len(values), len(rest.names), 4))
    turns: list[Rotation] = []
    for bone, (channels, parent) in enumerate(zip(rest.channels, rest.parents, strict=True)):
        own = values[:, start : start + len(channels)]
        start += len(channels)
        angles = np.zeros((len(values), 3))
        for column, channel in enumerate(channels):
            if channel in _ANGLES:
                angles[:, _ANGLES.index(channel)] = own[:, column]
        order = "".join(c[1] for c in root_channels if c in _ANGLES) if bone == 0 else "xyz"
        order = order if len(order) == 3 else "xyz"
        frame = Rotation.from_matrix(rest.axes[bone])
        local = frame * _euler(angles[:, ["xyz".index(c) for c in order]], order) * frame.inv()
        turns.append(local if parent < 0 else turns[parent] * local)
        rotations[:, bone] = turns[bone].as_quat()
    for column, channel in enumerate(root_channels):
        if channel in _PLACES:
            root[:, _PLACES.index(channel)] = values[:, column] * metres
    return AmcMotion(rest, root, rotations)


def _frames(text: str, rest: Asf, source: str) -> Array:
    """(T, C) numbers of every frame, bones in the order of ``rest``; bones that no frame names stay at 0."""
    widths = {name: len(channels) for name, channels in zip(rest.names, rest.channels, strict=True)}
    starts, total = {}, 0
    for name, width in widths.items():
        starts[name] = total
        total += width
    lines = text.splitlines()
    numbered = re.compile(r"\d+\s*$")
    first = next((i for i, line in enumerate(lines) if numbered.match(line)), None)
    if first is None:
        raise SourceError(f"{source}: no frames; expected an Acclaim motion (.amc): frame numbers, then a line a bone")
    if any(line.strip().lower() == ":radians" for line in lines[:first]):
        raise SourceError(f"{source}: angles in radians; expected degrees as in the CMU files")
    frames: list[Array] = []
    lines_of: list[int] = []
    for at, line in enumerate(lines[first:], first + 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) == 1 and words[0].isdigit():
            frames.append(np.zeros(total))
            lines_of.append(0)
            continue
        lines_of[-1] += 1
        width = widths.get(words[0])
        if width is None:
            raise SourceError(
                f"{source}: line {at}: bone {words[0]!r} is not in the skeleton; is it this subject's .asf?"
            )
        if len(words) != width + 1:
            raise SourceError(f"{source}: line {at}: {words[0]} needs {width} numbers, found {len(words) - 1}")
        try:
            frames[-1][starts[words[0]] : starts[words[0]] + width] = [float(word) for word in words[1:]]
        except ValueError:
            raise SourceError(f"{source}: line {at}: not numbers: {line.strip()[:60]!r}") from None
    for frame, count in enumerate(lines_of, 1):
        if count != lines_of[0]:
            raise SourceError(f"{source}: frame {frame} has {count} bones, frame 1 has {lines_of[0]}: cut off perhaps")
    return np.array(frames)
