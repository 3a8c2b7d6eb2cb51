# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the headless commands: what argparse makes of the words, checked."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from posecore.commands.common import UsageError

from .workflow import ApplyOptions, CaptureOptions

__all__ = ["AnimateOptions", "BatchOptions", "animate_options", "batch_options", "build", "item_options", "parse"]

PROGRAM = "blender -b [FILE.blend] --command posecore"
_ANIMATE = f"""examples:
  {PROGRAM} animate --video walk.mp4 --rig Armature --output out.blend
  {PROGRAM} animate --video walk.mp4 --new-skeleton --output walk.fbx --output walk.glb

exit codes: 0 done, 1 failed, 2 called wrongly, 3 unreadable input, 4 no person found, 5 unwritable output, 130 stopped
"""
_BATCH = f"""examples:
  {PROGRAM} batch clips/ --rig Armature --output-dir out --format blend,fbx
  {PROGRAM} batch list.json --output-dir out

A list is a JSON array of objects: "video" (or "take", "motion"), and as wished "name", "scene" (a .blend),
"output" (a file or several) and any option of animate without its dashes: {{"video": "a.mp4", "rig": "Hero"}}.
Clips that are done and unchanged are skipped in a second run. Exit code 1 where any clip failed.
"""


@dataclass(frozen=True)
class AnimateOptions:
    """What ``animate`` was asked for; the options of the same names in :func:`build`."""

    source: str
    kind: str  # "video", "take" or "motion"
    output: tuple[Path, ...]
    rig: tuple[str, ...] = ()
    new_skeleton: bool = False
    new_body: bool = False
    preset: str | None = "auto"
    map: tuple[tuple[str, str], ...] = ()
    estimator: str = "auto"
    provider: str = "auto"
    temporal: str = "online"
    start: float | None = None
    stop: float | None = None
    image_rate: float | None = None
    people: str = "main"
    person: int | None = None
    smoothing: float = 0.5
    height: float | None = None
    ground: bool = True
    in_place: bool = False
    travel: str = "hips"
    lock_feet: bool = False
    frame_start: float = 1.0
    rate: str = "resample"
    action_name: str = ""
    set_range: bool = False
    deform_only: bool = False
    takes: Path | None = None

    @property
    def capture(self) -> CaptureOptions:
        """For the worker."""
        return CaptureOptions(
            source=self.source,
            estimator=self.estimator,
            provider=self.provider,
            start=self.start,
            stop=self.stop,
            rate=self.image_rate,
            people=self.people,
            temporal=self.temporal,
        )

    @property
    def solve(self) -> Any:
        """SolveSettings."""
        from posecore import SolveSettings

        return SolveSettings(smoothing=self.smoothing, height=self.height, ground=self.ground, in_place=self.in_place)

    @property
    def retarget(self) -> Any:
        """RetargetSettings."""
        from posecore.retargeting import RetargetSettings

        return RetargetSettings(travel=self.travel, in_place=self.in_place, lock_feet=self.lock_feet)

    @property
    def apply(self) -> ApplyOptions:
        """How it is keyed."""
        return ApplyOptions(frame_start=self.frame_start, rate=self.rate, action_name=self.action_name)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = asdict(self)
        values.update(output=[str(path) for path in self.output], takes=self.takes and str(self.takes))
        values.update(map=dict(self.map), rig=list(self.rig))
        return values


@dataclass(frozen=True)
class BatchOptions:
    """What ``batch`` was asked for, beside the options of each clip."""

    clips: str
    output_dir: Path
    format: tuple[str, ...]
    report: Path
    force: bool = False
    shard: tuple[int, int] = (1, 1)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def build() -> argparse.ArgumentParser:
    """The parser of both commands."""
    parser = _Parser(
        prog=PROGRAM,
        description="A video onto your own rig, without a window.",
        allow_abbrev=False,
        epilog="'animate --help' and 'batch --help' say more",
    )
    commands = parser.add_subparsers(dest="command", metavar="animate | batch", required=True)
    form = argparse.RawDescriptionHelpFormatter
    animate = commands.add_parser(
        "animate", help="one video onto one rig", epilog=_ANIMATE, allow_abbrev=False, formatter_class=form
    )
    _add_source(animate)
    animate.add_argument(
        "-o",
        "--output",
        action="append",
        metavar="FILE",
        help=".blend .fbx .glb .gltf .bvh .usd .usda .usdc; may be repeated",
    )
    _add_options(animate)
    animate.add_argument("--report", metavar="FILE.json", help="also write what was done, or what went wrong")
    _add_common(animate)
    batch = commands.add_parser(
        "batch", help="many videos, one report", epilog=_BATCH, allow_abbrev=False, formatter_class=form
    )
    batch.add_argument("clips", metavar="FOLDER_OR_LIST.json", help="a folder of videos, or a JSON list")
    batch.add_argument("--output-dir", metavar="FOLDER", required=True, help="made if it is not there")
    batch.add_argument("--format", metavar="KINDS", default="blend", help="blend,fbx,glb,gltf,bvh,usd (default blend)")
    batch.add_argument("--force", action="store_true", help="also do what a run before has done")
    batch.add_argument("--shard", metavar="I/N", default="1/1", help="only every N-th clip, from the I-th on")
    batch.add_argument("--report", metavar="FILE.json", help="default: report.json in the output folder")
    _add_options(batch)
    _add_common(batch)
    return parser


def _add_source(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what moves (one of)")
    group.add_argument("--video", metavar="FILE", help="a video, a folder of pictures, frame_%%04d.png or a glob")
    group.add_argument("--take", metavar="FILE.npz", help="a Take: what was observed before")
    group.add_argument("--motion", metavar="FILE", help="a finished movement: AMASS-style .npz, or posecore's .bvh")


def _add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("onto what")
    group.add_argument(
        "--rig", action="append", metavar="NAME", help="the armature; default: the only one. Repeat it for more people"
    )
    group.add_argument("--new-skeleton", action="store_true", help="make a new SMPL-24 armature instead")
    group.add_argument("--new-body", action="store_true", help="make the open body, skinned, in the person's shape")
    group.add_argument("--preset", metavar="NAME", default="auto", help="of the rig's bones; auto, none, or a name")
    group.add_argument("--map", action="append", metavar="ROLE=BONE", help="e.g. leftHand=hand.L; 'leftToes=' for none")
    group = parser.add_argument_group("capture")
    group.add_argument("--estimator", choices=("auto", "sapnet", "sapnet-free", "blazepose", "smpl"), default="auto")
    group.add_argument("--provider", choices=("auto", "cpu", "cuda", "directml", "coreml"), default="auto")
    group.add_argument("--temporal", choices=("online", "semi-online", "off"), default="online")
    group.add_argument("--start", type=float, metavar="SECONDS", help="where in the video to start")
    group.add_argument("--stop", type=float, metavar="SECONDS", help="where in the video to stop")
    group.add_argument("--image-rate", type=float, metavar="FPS", help="of pictures, which carry no time; default 30")
    group.add_argument("--people", choices=("main", "all"), default="main")
    group.add_argument("--person", type=int, metavar="N", help="only the N-th person found, from 1")
    group.add_argument("--takes", metavar="FOLDER", help="where what was observed is kept, and found again")
    group = parser.add_argument_group("solve")
    group.add_argument("--smoothing", type=float, default=0.5, metavar="0…1")
    group.add_argument("--height", type=float, metavar="METRES", help="of the person; default: as observed, a guess")
    group.add_argument("--no-ground", dest="ground", action="store_false", help="keep the height as seen")
    group.add_argument("--in-place", action="store_true", help="no travel over the ground")
    group = parser.add_argument_group("apply")
    group.add_argument("--travel", choices=("hips", "root"), default="hips", help="which bone carries the path")
    group.add_argument("--lock-feet", action="store_true", help="hold feet where they rest, by bending the legs")
    group.add_argument("--frame-start", type=float, default=1.0, metavar="FRAME")
    group.add_argument(
        "--rate",
        choices=("resample", "scene"),
        default="resample",
        help="resample to the scene's frame rate, or set the scene's to the video's",
    )
    group.add_argument("--action-name", default="", metavar="NAME")
    group.add_argument("--set-range", action="store_true", help="set the scene's frame range to the movement's")
    group.add_argument(
        "--deform-only", action="store_true", help="FBX, glTF, USD: only bones that move the mesh, and their parents"
    )


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("general")
    group.add_argument("--python", metavar="PATH", help="the worker's Python, e.g. one with posecore[gpu]")
    group.add_argument("--quiet", action="store_true", help="only errors")
    group.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    group.add_argument("--debug", action="store_true", help="stack traces")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The words as a namespace.

    Raises:
        UsageError: they make no sense.
        SystemExit: help was asked for, and given.
    """
    return build().parse_args(list(arguments))


def animate_options(values: argparse.Namespace, place: str = "") -> AnimateOptions:
    """Checked options of one clip.

    Args:
        place: put before every complaint, e.g. the clip's number in a list.

    Raises:
        UsageError: a value is impossible.
    """
    given = [(kind, str(getattr(values, kind))) for kind in ("video", "take", "motion") if getattr(values, kind)]
    if len(given) != 1:
        raise UsageError(f"{place}name one of --video, --take and --motion")
    if not values.output:
        raise UsageError(f"{place}name at least one output: --output out.blend")
    same = ("estimator", "provider", "temporal", "start", "stop", "image_rate", "people", "person", "smoothing")
    same += ("height", "ground", "in_place", "travel", "lock_feet", "frame_start", "action_name", "set_range")
    options = AnimateOptions(
        source=given[0][1],
        kind=given[0][0],
        output=tuple(Path(path) for path in values.output),
        rig=tuple(values.rig or ()),
        new_skeleton=values.new_skeleton,
        new_body=values.new_body,
        preset=None if values.preset == "none" else values.preset,
        map=tuple(_pair(text, place) for text in values.map or ()),
        rate={"resample": "resample", "scene": "set_scene"}[values.rate],
        deform_only=values.deform_only,
        takes=Path(values.takes) if values.takes else None,
        **{name: getattr(values, name) for name in same},
    )
    _check(options, place)
    return options


def _pair(text: str, place: str) -> tuple[str, str]:
    from posecore.retargeting.roles import ROLES

    role, equals, bone = text.partition("=")
    if not equals:
        raise UsageError(f"{place}--map: expected ROLE=BONE, got {text!r}")
    if role not in ROLES:
        raise UsageError(f"{place}--map: unknown role {role!r}; roles are {', '.join(ROLES)}")
    return role, bone


def _check(options: AnimateOptions, place: str) -> None:
    faults = {
        "--rig and --new-skeleton exclude each other": options.rig and options.new_skeleton,
        "--rig and --new-body exclude each other": options.rig and options.new_body,
        "--new-skeleton and --new-body exclude each other": options.new_skeleton and options.new_body,
        "--preset and --map need a --rig that is there, not --new-skeleton": options.new_skeleton
        and (options.map or options.preset != "auto"),
        "--preset and --map need a --rig that is there, not --new-body": options.new_body
        and (options.map or options.preset != "auto"),
        f"--start: must not be negative, got {options.start}": options.start is not None and options.start < 0,
        f"--stop: must lie after the start, got {options.stop}": options.stop is not None
        and options.stop <= (options.start or 0.0),
        f"--image-rate: must be positive, got {options.image_rate}": options.image_rate is not None
        and not options.image_rate > 0,
        f"--person: counts from 1, got {options.person}": options.person is not None and options.person < 1,
        f"--smoothing: must lie in 0 … 1, got {options.smoothing:g}": not 0 <= options.smoothing <= 1,
        f"--height: a person's height in metres (0.3 … 3), got {options.height}": options.height is not None
        and not 0.3 <= options.height <= 3.0,
        f"--frame-start: must lie within ±1000000, got {options.frame_start:g}": not abs(options.frame_start) <= 1e6,
    }
    for text, wrong in faults.items():
        if wrong:
            raise UsageError(place + text)


def batch_options(values: argparse.Namespace) -> BatchOptions:
    """Checked options of a batch.

    Raises:
        UsageError: a value is impossible.
    """
    from .exporting import SUFFIXES

    formats = tuple(f".{kind.strip().lstrip('.').lower()}" for kind in values.format.split(",") if kind.strip())
    unknown = [kind for kind in formats if kind not in SUFFIXES]
    if unknown or not formats:
        raise UsageError(f"--format: unknown {', '.join(unknown) or 'nothing'}; use {', '.join(SUFFIXES)}")
    try:
        number, count = map(int, values.shard.split("/"))
    except ValueError:
        number, count = 0, 0
    if not 1 <= number <= count:
        raise UsageError(f"--shard: expected I/N with I from 1 to N, got {values.shard!r}")
    folder = Path(values.output_dir)
    name = "report.json" if count == 1 else f"report_{number}_of_{count}.json"
    report = Path(values.report) if values.report else folder / name
    return BatchOptions(values.clips, folder, tuple(dict.fromkeys(formats)), report, values.force, (number, count))


# Keys of a list's item that are no options of `animate`.
_OWN_KEYS = ("name", "scene")


def item_options(base: argparse.Namespace, item: dict[str, Any], place: str) -> argparse.Namespace:
    """The options of a whole batch with those of one item in their place, as the command line would give them.

    Raises:
        UsageError: an unknown key, or a value that the option does not take.
    """
    parser = _Parser(prog="item", allow_abbrev=False, add_help=False)
    _add_source(parser)
    parser.add_argument("--output", action="append")
    _add_options(parser)
    # By what a person writes: the option's own words, and for --no-ground also `ground`.
    known = {string.lstrip("-").replace("-", "_"): it for it in parser._actions for string in it.option_strings}
    known["ground"] = known["no_ground"]
    start = {**vars(base), **dict.fromkeys(("video", "take", "motion", "output"))}
    onto = {name: name in item and item[name] for name in ("rig", "new_skeleton", "new_body")}
    if any(onto.values()):  # what one item asks for stands instead of the others
        start.update(rig=None, new_skeleton=False, new_body=False)
    words: list[str] = []
    for key, value in item.items():
        name = key.replace("-", "_")
        if name in _OWN_KEYS:
            continue
        if name not in known:
            raise UsageError(f"{place}unknown key {key!r}; keys are {', '.join(sorted({*known, *_OWN_KEYS}))}")
        action = known[name]
        if action.nargs == 0:
            if not isinstance(value, bool):
                raise UsageError(f"{place}{key}: expected true or false, got {value!r}")
            start[action.dest] = not value if name == "no_ground" else value
            continue
        start[action.dest] = action.default
        words += [f"{action.option_strings[-1]}={text}" for text in _texts(value, key, place)]
    try:
        return parser.parse_args(words, argparse.Namespace(**start))
    except UsageError as error:
        raise UsageError(f"{place}{error}") from None


def _texts(value: Any, key: str, place: str) -> list[str]:
    """A value of a list's item as the words that a person would type for it; none for null."""
    if isinstance(value, dict):
        return [f"{name}={text}" for name, text in value.items()]
    several = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, (str, int, float)) and not isinstance(one, bool) for one in several):
        raise UsageError(f"{place}{key}: expected a text or a number, got {value!r}")
    return [str(one) for one in several]
