"""Biovision hierarchy (BVH) files: any hierarchy in, any hierarchy out.

Knows the file format only: nothing of SMPL, units or axes (``posecore.formats.motion_bvh`` does).
The format has no specification but the habit of its readers; where they differ it says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from posecore.errors import SourceError
from posecore.files import atomic_path

__all__ = ["Bvh", "read_bvh", "write_bvh"]

_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}


@dataclass(frozen=True)
class Bvh:
    """A BVH file as it stands: its own unit, its own axes, degrees.

    Attributes:
        names: J joint names in file order (every parent before its children).
        parents: J parent indices, -1 for a root.
        offsets: (J, 3) rest offset from the parent.
        channels: J tuples such as ``("Xposition", …, "Yrotation")``, in file order; may be empty.
        frame_time: seconds a frame.
        motion: (T, C) channel values, C = all channels in joint order; T may be 0.
        end_sites: (joint index, offset (3,)) of every ``End Site``.
        warnings: what was odd about the file, one line each.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: NDArray[np.float64]
    channels: tuple[tuple[str, ...], ...]
    frame_time: float
    motion: NDArray[np.float64]
    end_sites: tuple[tuple[int, NDArray[np.float64]], ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.motion)

    @property
    def rate(self) -> float:
        """Frames per second."""
        return 1.0 / self.frame_time

    def columns(self, joint: int) -> slice:
        """The columns of ``motion`` that belong to a joint."""
        start = sum(len(channels) for channels in self.channels[:joint])
        return slice(start, start + len(self.channels[joint]))

    def rotations(self) -> NDArray[np.float64]:
        """(T, J, 4) local rotations, xyzw; identity for a joint without rotation channels."""
        quaternions = np.zeros((len(self), len(self.names), 4))
        quaternions[..., 3] = 1.0
        for joint, channels in enumerate(self.channels):
            picked = [i for i, channel in enumerate(channels) if channel.endswith("rotation")]
            if picked and len(self):
                order = "".join(channels[i][0] for i in picked)
                angles = self.motion[:, self.columns(joint)][:, picked]
                quaternions[:, joint] = Rotation.from_euler(order, angles, degrees=True).as_quat()
        return quaternions

    def locations(self, root_positions: str = "replace") -> NDArray[np.float64]:
        """(T, J, 3) place of every joint in its parent's frame.

        Position channels of a root ``"replace"`` its offset (Blender, MotionBuilder) or ``"add"``
        to it (three.js, some exporters of characters); files with a zero offset, as ours, mean the
        same either way. Position channels of other joints always replace.

        Raises:
            ValueError: ``root_positions`` is neither.
        """
        if root_positions not in ("replace", "add"):
            raise ValueError(f"root_positions must be 'replace' or 'add', got {root_positions!r}")
        places = np.repeat(self.offsets[None], len(self), axis=0)
        for joint, channels in enumerate(self.channels):
            base = self.offsets[joint] if self.parents[joint] < 0 and root_positions == "add" else np.zeros(3)
            values = self.motion[:, self.columns(joint)]
            for i, channel in enumerate(channels):
                if channel.endswith("position"):
                    axis = "XYZ".index(channel[0])
                    places[:, joint, axis] = values[:, i] + base[axis]
        return places

    def joints(self, root_positions: str = "replace") -> NDArray[np.float64]:
        """(T, J, 3) joint positions in the file's unit and frame, by forward kinematics."""
        rotations = Rotation.from_quat(self.rotations().reshape(-1, 4)).as_matrix()
        local = rotations.reshape(len(self), len(self.names), 3, 3)
        places = self.locations(root_positions)
        globals_, positions = np.empty_like(local), np.empty_like(places)
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                globals_[:, joint], positions[:, joint] = local[:, joint], places[:, joint]
            else:
                turn = globals_[:, parent]
                globals_[:, joint] = turn @ local[:, joint]
                positions[:, joint] = positions[:, parent] + (turn @ places[:, joint, :, None])[..., 0]
        return positions


class _Reader:
    """The lines of one file that hold something, as words, with the line number for errors."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        lines = re.split(r"\r\n|\r|\n", text)
        self.lines = [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]
        self.at = 0

    def fail(self, what: str, line: int | None = None) -> NoReturn:
        if line is None:
            line = self.lines[min(self.at, len(self.lines) - 1)][0] if self.lines else 1
        raise SourceError(f"{self.path}: line {line}: {what}")

    def hierarchy_lines(self) -> Iterator[tuple[int, list[str]]]:
        """(line number, words) up to MOTION or the end; "JOINT hip {" reads as two lines would."""
        while self.at < len(self.lines):
            number, line = self.lines[self.at]
            if line.split()[0].lower() == "motion":
                return
            self.at += 1
            for piece in re.split(r"([{}])", line):
                if piece.strip():
                    yield number, piece.split()

    def numbers(self, words: list[str], line: int, count: int, what: str) -> list[float]:
        if len(words) != count:
            self.fail(f"{what} needs {count} numbers, found {len(words)}", line)
        try:
            values = [float(word) for word in words]
        except ValueError:
            self.fail(f"{what} holds something that is not a number: {' '.join(words)[:60]!r}", line)
        if not np.isfinite(values).all():
            self.fail(f"{what} holds NaN or infinity", line)
        return values


class _Hierarchy:
    """Collects joints while the HIERARCHY section goes by."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[list[float] | None] = []
        self.channels: list[tuple[str, ...]] = []
        self.ends: list[tuple[int, NDArray[np.float64]]] = []
        self.stack: list[int | None] = []  # open blocks: joint index, None for an End Site
        self.pending: int | str | None = ""  # block announced, waiting for "{"; "" = none

    def read(self) -> None:
        line = 1
        handlers: dict[str, Callable[[list[str], int], None]] = {
            "root": self.joint,
            "joint": self.joint,
            "end": self.end,
            "offset": self.offset,
            "channels": self.read_channels,
            "{": self.open,
            "}": self.close,
        }
        for line, words in self.reader.hierarchy_lines():
            handler = handlers.get(words[0].lower())
            if handler is None:
                known = "ROOT, JOINT, End Site, OFFSET, CHANNELS or a brace"
                self.reader.fail(f"expected {known}, found {words[0]!r}", line)
            if self.pending != "" and words[0] != "{":
                self.reader.fail("expected '{' before this line", line)
            handler(words, line)
        if self.stack or self.pending != "":
            self.reader.fail("the hierarchy ends inside a joint: a '}' is missing, or the file is cut off", line)
        if not self.names:
            self.reader.fail("no ROOT joint before MOTION", line)

    def joint(self, words: list[str], line: int) -> None:
        root = words[0].lower() == "root"
        if root == bool(self.stack) or (self.stack and self.stack[-1] is None):
            self.reader.fail(f"{words[0]} cannot stand here", line)
        if len(words) < 2:
            self.reader.fail(f"{words[0]} without a name", line)
        self.parents.append(-1 if root else self.stack[-1])  # type: ignore[arg-type]
        self.names.append(" ".join(words[1:]))
        self.offsets.append(None)
        self.channels.append(())
        self.pending = len(self.names) - 1

    def end(self, words: list[str], line: int) -> None:
        if not self.stack or self.stack[-1] is None:
            self.reader.fail("End Site cannot stand here", line)
        self.pending = None

    def open(self, words: list[str], line: int) -> None:
        if self.pending == "":
            self.reader.fail("'{' without a joint", line)
        self.stack.append(self.pending)  # type: ignore[arg-type]
        self.pending = ""

    def close(self, words: list[str], line: int) -> None:
        if not self.stack:
            self.reader.fail("one '}' too many", line)
        joint = self.stack.pop()
        if joint is not None and self.offsets[joint] is None:
            self.reader.fail(f"joint {self.names[joint]!r} has no OFFSET", line)

    def offset(self, words: list[str], line: int) -> None:
        if not self.stack:
            self.reader.fail("OFFSET outside a joint", line)
        values = self.reader.numbers(words[1:], line, 3, "OFFSET")
        joint = self.stack[-1]
        if joint is not None:
            self.offsets[joint] = values
        else:
            owner = self.stack[-2]
            assert owner is not None  # an End Site opens only inside a joint
            self.ends.append((owner, np.array(values)))

    def read_channels(self, words: list[str], line: int) -> None:
        joint = self.stack[-1] if self.stack else None
        if joint is None:
            self.reader.fail("CHANNELS outside a joint", line)
        if len(words) < 2 or not words[1].isdigit() or int(words[1]) != len(words) - 2:
            said = " ".join(words[1:2]) or "nothing"
            self.reader.fail(f"CHANNELS says {said} and lists {max(len(words) - 2, 0)}", line)
        names = [_CHANNELS.get(word.lower(), "") for word in words[2:]]
        if "" in names:
            self.reader.fail(f"unknown channel {words[2 + names.index('')]!r}", line)
        if len(set(names)) != len(names):
            self.reader.fail("a channel is listed twice", line)
        self.channels[joint] = tuple(names)


def _read_motion(reader: _Reader, width: int) -> tuple[float, NDArray[np.float64], tuple[str, ...]]:
    """Frame time, (T, width) values, warnings. A file without MOTION is a skeleton: zero frames."""
    if reader.at >= len(reader.lines):
        return 1.0 / 30.0, np.zeros((0, width)), ("no MOTION section",)
    reader.at += 1
    frames_line, count = _header(reader, "Frames")
    if not count.is_integer() or count < 0:
        reader.fail(f"Frames must be a whole number, found {count:g}", frames_line)
    time_line, frame_time = _header(reader, "Frame Time")
    if frame_time <= 0:
        reader.fail(f"Frame Time must be above 0, found {frame_time:g}", time_line)
    rows = reader.lines[reader.at :]
    motion = _values(reader, rows, width)
    if len(motion) == count:
        return frame_time, motion, ()
    return frame_time, motion, (f"Frames says {count:.0f}, the file holds {len(motion)}",)


def _header(reader: _Reader, name: str) -> tuple[int, float]:
    if reader.at >= len(reader.lines):
        reader.fail(f"the file ends before '{name}:'")
    number, line = reader.lines[reader.at]
    found = re.fullmatch(name.replace(" ", r"\s+") + r"\s*:\s*(\S+)", line, re.IGNORECASE)
    if not found:
        reader.fail(f"expected '{name}: …', found {line[:40]!r}")
    reader.at += 1
    return number, reader.numbers([found.group(1)], number, 1, name)[0]


def _values(reader: _Reader, rows: list[tuple[int, str]], width: int) -> NDArray[np.float64]:
    try:
        values = np.array(" ".join(line for _, line in rows).split(), np.float64)
    except ValueError:
        values = np.zeros(0)
    if width and len(values) == len(rows) * width and np.isfinite(values).all():
        return values.reshape(-1, width)
    for number, line in rows:  # the slow way, to name the line
        reader.numbers(line.split(), number, width, "frame")
    return np.zeros((len(rows), width))


def read_bvh(path: str | Path) -> Bvh:
    """Read any BVH file.

    Accepts CRLF, tabs, scientific numbers, any channel order, joints with several or no End Sites,
    several roots, names with spaces, and a ``Frames`` count that is wrong (the rows decide; see
    ``warnings``).

    Raises:
        SourceError: missing or malformed file; one line that names the line number.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # names in an old code page: kept byte by byte
    reader = _Reader(path, text)
    if not reader.lines or reader.lines[0][1].lower() != "hierarchy":
        raise SourceError(f"{path}: not a BVH file (it does not begin with HIERARCHY)")
    reader.at = 1
    hierarchy = _Hierarchy(reader)
    hierarchy.read()
    frame_time, motion, warnings = _read_motion(reader, sum(map(len, hierarchy.channels)))
    return Bvh(
        names=tuple(hierarchy.names),
        parents=tuple(hierarchy.parents),
        offsets=np.array(hierarchy.offsets, np.float64),
        channels=tuple(hierarchy.channels),
        frame_time=frame_time,
        motion=motion,
        end_sites=tuple(hierarchy.ends),
        warnings=warnings,
    )


def _fixed(values: NDArray[np.float64]) -> str:
    """Six decimals, without minus zero."""
    return " ".join(f"{value:.6f}" for value in np.round(values, 6) + 0.0)


def write_bvh(bvh: Bvh, path: str | Path) -> None:
    """Write a BVH file atomically. Six decimals (a micrometre in metres, a millionth of a degree).

    Joints are written depth first, as the format demands, whatever their order in ``bvh``.

    Raises:
        OutputError: the path cannot be written.
        ValueError: ``motion`` has the wrong width.
    """
    width = sum(map(len, bvh.channels))
    if bvh.motion.ndim != 2 or bvh.motion.shape[1] != width:
        raise ValueError(f"motion: expected (T, {width}), got {bvh.motion.shape}")
    lines, order = ["HIERARCHY"], list[int]()
    for joint, parent in enumerate(bvh.parents):
        if parent < 0:
            _write_joint(bvh, joint, 0, lines, order)
    columns = [column for joint in order for column in range(width)[bvh.columns(joint)]]
    lines += ["MOTION", f"Frames: {len(bvh)}", f"Frame Time: {bvh.frame_time:.10f}"]
    row = " ".join(["%.6f"] * width) + "\n"
    with atomic_path(Path(path)) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as stream:
        stream.write("\n".join(lines) + "\n")
        for values in np.round(bvh.motion[:, columns], 6) + 0.0:
            stream.write(row % tuple(values))


def _write_joint(bvh: Bvh, joint: int, depth: int, lines: list[str], order: list[int]) -> None:
    """Append the block of a joint and of all below it to ``lines``, and the joints to ``order``."""
    order.append(joint)
    tab = "\t" * depth
    lines.append(f"{tab}{'ROOT' if bvh.parents[joint] < 0 else 'JOINT'} {bvh.names[joint]}")
    lines += [tab + "{", f"{tab}\tOFFSET {_fixed(bvh.offsets[joint])}"]
    channels = bvh.channels[joint]
    lines.append(f"{tab}\tCHANNELS {len(channels)} {' '.join(channels)}".rstrip())
    for child, parent in enumerate(bvh.parents):
        if parent == joint:
            _write_joint(bvh, child, depth + 1, lines, order)
    for owner, offset in bvh.end_sites:
        if owner == joint:
            lines += [f"{tab}\tEnd Site", tab + "\t{", f"{tab}\t\tOFFSET {_fixed(offset)}", tab + "\t}"]
    lines.append(tab + "}")
