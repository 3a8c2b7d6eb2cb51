"""``posecore capture``, and the capture step of ``posecore animate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from posecore.commands.common import TAKE_SUFFIXES, Common, UsageError, cancelling, check_outputs, describe_take
from posecore.commands.reporting import Reporter
from posecore.errors import Cancelled, NoPersonError, OutputError

if TYPE_CHECKING:
    from posecore.takes import Take

__all__ = ["Capture", "CaptureOptions", "capture_one", "keep_partial"]


@dataclass(frozen=True, kw_only=True)
class CaptureOptions(Common):
    """How a person is captured."""

    estimator: Literal["auto", "sapnet", "sapnet-free", "blazepose", "smpl"] = "auto"
    """The networks to use; auto takes the best one present and says which."""
    provider: Literal["auto", "cpu", "cuda", "directml", "coreml"] = "auto"
    """Where the networks run."""
    box: Annotated[tuple[float, float, float, float] | None, arg(metavar="X Y W H")] = None
    """Place of the person in the first frame, pixels; without it, the person is searched."""
    flip_test: bool = False
    """Also look at the mirrored picture and average: slower, a little more accurate."""
    temporal: Literal["online", "semi-online", "off"] = "online"
    """Refine each pose from the poses before it (online), also after it (semi-online), or not."""
    start: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Where in the video to start."""
    stop: Annotated[float | None, arg(metavar="SECONDS")] = None
    """Where in the video to stop."""
    rate: Annotated[float | None, arg(metavar="FPS")] = None
    """Frames a second of a picture sequence; without it, 30. Videos carry their own time."""

    def check(self) -> None:
        """Raise UsageError for values that no video could fit."""
        if self.box is not None and min(self.box[2:]) <= 0:
            raise UsageError(f"--box: width and height must be positive, got {self.box[2]:g} × {self.box[3]:g}")
        if self.start is not None and self.start < 0:
            raise UsageError(f"--start: must not be negative, got {self.start:g}")
        if self.stop is not None and self.stop <= (self.start or 0.0):
            raise UsageError(f"--stop: must lie after the start ({self.start or 0.0:g} s), got {self.stop:g}")
        if self.rate is not None and not self.rate > 0:
            raise UsageError(f"--rate: must be positive, got {self.rate:g}")


def capture_one(source: str, options: CaptureOptions, reporter: Reporter, cancel: Event, keep: Path) -> Take:
    """Capture the main person of ``source``, with progress, and pass on the warnings of the Take.

    Raises:
        Cancelled: ``cancel`` was set; what was captured until then is kept beside ``keep``.
        PosecoreError: see :func:`posecore.capture`.
    """
    from posecore import capturing

    def progress(done: int, total: int | None, fps: float) -> None:
        reporter.progress("capture", done, total, fps)

    try:
        takes = capturing.capture(
            source,
            estimator=options.estimator,
            provider=options.provider,
            box=options.box,
            flip_test=options.flip_test,
            temporal=options.temporal,
            start=options.start,
            stop=options.stop,
            rate=options.rate,
            progress=progress,
            cancel=cancel,
        )
    except Cancelled as error:
        if error.partial is None:
            raise Cancelled("stopped before anything was captured; nothing was written") from error
        raise keep_partial(error.partial, keep) from error
    finally:
        reporter.close()
    if not takes:
        raise NoPersonError(f"{source}: no person found")
    take = takes[0]
    if cancel.is_set():
        raise keep_partial(take, keep)
    if choice := take.notes.get("estimator_choice"):
        reporter.say(str(choice))
    for text in take.notes.get("warnings", []):
        reporter.warning(str(text))
    return take


def keep_partial(take: Take, output: Path) -> Cancelled:
    """Write what was captured beside ``output`` and return the error that says so."""
    path = output.with_name(f"{output.stem}.partial.npz")
    try:
        take.save(path)
    except OutputError as error:
        return Cancelled(f"stopped after {len(take)} frames, which could not be kept ({error})")
    return Cancelled(
        f"stopped; the {len(take)} frames captured are kept in {path} (posecore solve {path} goes on from there)"
    )


@dataclass(frozen=True, kw_only=True)
class Capture(CaptureOptions):
    """Video in, Take out: what was observed, kept so that solving can be repeated with other settings."""

    video: Annotated[Positional[str], arg(metavar="VIDEO")]
    """A video, a folder of pictures, a pattern (frame_%04d.png) or a glob."""
    output: Annotated[Path, arg(aliases=["-o"], metavar="FILE")]
    """The .npz to write."""

    def execute(self, reporter: Reporter) -> None:
        """See the class."""
        self.check()
        check_outputs([(self.output, TAKE_SUFFIXES)], inputs=[self.video])
        with cancelling(reporter) as cancel:
            take = capture_one(self.video, self, reporter, cancel, self.output)
            take.save(self.output)
        facts = describe_take(take)
        reporter.result(summary(facts, [self.output]), command="capture", outputs=[str(self.output)], **facts)


def summary(facts: dict[str, Any], outputs: Sequence[Path]) -> str:
    """The closing line: what was used, how much, and where it went."""
    return (
        f"{facts['estimator']}: {facts['frames']} frames at {facts['rate']:g} frames/s "
        f"({facts['seconds']:.1f} s) -> {', '.join(str(path) for path in outputs)}"
    )
