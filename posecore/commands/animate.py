"""``posecore animate``: the whole path in one command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from posecore.commands.bodies import BodyOptions, body_facts
from posecore.commands.capturing import CaptureOptions, capture_one, summary
from posecore.commands.common import (
    MESH_SUFFIXES,
    MOTION_SUFFIXES,
    PREVIEW_SUFFIXES,
    TAKE_SUFFIXES,
    cancelling,
    check_outputs,
    describe_take,
)
from posecore.commands.reporting import Reporter
from posecore.commands.rigging import RigOptions, save_outputs
from posecore.commands.solving import SolveOptions, need_outputs, solve_take
from posecore.errors import Cancelled

if TYPE_CHECKING:
    from posecore.motion import Motion
    from posecore.takes import Take

__all__ = ["Animate"]


@dataclass(frozen=True, kw_only=True)
class Animate(BodyOptions, RigOptions, SolveOptions, CaptureOptions):
    """Video in, animation out."""

    video: Annotated[Positional[str], arg(metavar="VIDEO")]
    """A video, a folder of pictures, a pattern (frame_%04d.png) or a glob."""
    output: UseAppendAction[Annotated[list[Path], arg(aliases=["-o"], metavar="FILE")]]
    """Where to write: .bvh, .glb, .gltf or .npz. May be repeated."""
    preview: Annotated[Path | None, arg(metavar="FILE")] = None
    """Also write a video (.mp4) of the skeleton over the frames, beside a turning 3D view."""
    take: Annotated[Path | None, arg(metavar="FILE")] = None
    """Also keep what was observed (.npz), for 'posecore solve'."""

    def check(self) -> None:
        """Raise UsageError for impossible values."""
        CaptureOptions.check(self)
        SolveOptions.check(self)

    def execute(self, reporter: Reporter) -> None:
        """See the class."""
        self.check()
        wanted: list[tuple[Path, Sequence[str]]] = [(path, MOTION_SUFFIXES) for path in self.output]
        wanted += [(self.mesh, MESH_SUFFIXES)] if self.mesh else []
        need_outputs([path for path, _ in wanted])
        main = wanted[0][0]
        wanted += [(self.preview, PREVIEW_SUFFIXES)] if self.preview else []
        wanted += [(self.take, TAKE_SUFFIXES)] if self.take else []
        check_outputs(wanted, inputs=[self.video, *(str(path) for path in (self.rig, self.body) if path)])
        target = self.target(self.output, self.in_place)
        model = self.body_model(self.output)
        with cancelling(reporter) as cancel:
            take = capture_one(self.video, self, reporter, cancel, self.take or main)
            if self.take:
                take.save(self.take)
            motion = solve_take(take, self)
            fit = self.fit(motion, take, model, reporter, self.output)
            save_outputs(motion, self.output, target, reporter, fit)
            if self.preview:
                write_preview(self.video, self, take, motion, self.preview, reporter, cancel)
        facts = describe_take(take) | (target.facts() if target else {}) | body_facts(fit)
        outputs = [path for path, _ in wanted]
        reporter.result(summary(facts, outputs), command="animate", outputs=[str(path) for path in outputs], **facts)


def write_preview(
    source: str,
    options: CaptureOptions,
    take: Take,
    motion: Motion,
    path: Path,
    reporter: Reporter,
    cancel: Event,
) -> None:
    """Read ``source`` once more and draw over it.

    Raises:
        Cancelled: ``cancel`` was set; the animation is written by then, the preview is not.
    """
    from posecore import preview
    from posecore.capturing.video import open_frames

    def until_cancelled(frames):  # type: ignore[no-untyped-def]
        for frame in frames:
            if cancel.is_set():
                raise Cancelled("stopped; the animation is written, the preview is not")
            yield frame

    frames = until_cancelled(open_frames(source, options.start, options.stop, options.rate))
    try:
        preview.write_preview(path, reporter.track(frames, "preview", len(take)), take, motion)
    finally:
        reporter.close()
