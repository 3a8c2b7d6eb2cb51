"""The ``capture`` command: a source becomes Take files in a folder."""

from __future__ import annotations

import re
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import Any

from posecore.capturing import capture
from posecore.capturing.frames import FrameSource
from posecore.capturing.video import open_frames
from posecore.errors import Cancelled, NoPersonError, OutputError
from posecore.takes import Take
from posecore.worker.estimators import EstimatorCache, Stoppable
from posecore.worker.jobs import Job, ProtocolError

__all__ = ["capture_job", "describe_source", "text_field"]

#: Seconds between two progress events.
THROTTLE = 0.2
# Events over which the speed is measured: some five seconds.
_SPEED_WINDOW = 25

_NUMBERS = ("start", "stop", "rate")
#: Option -> its value when it is not given.
_OPTIONS: dict[str, Any] = {
    "estimator": "auto",
    "provider": "auto",
    "people": "main",
    "temporal": "online",
    "start": None,
    "stop": None,
    "rate": None,
    "box": None,
    "flip_test": False,
}


def capture_job(job: Job, cache: EstimatorCache) -> dict[str, Any]:
    """Capture ``source`` and write its Takes into ``out_folder``; the values of ``done``.

    Raises:
        PosecoreError: see :func:`posecore.capture`; Cancelled has been told by then where something was kept.
    """
    source, folder = text_field(job, "source"), Path(text_field(job, "out_folder"))
    options = _options(job)
    _need_folder(folder)
    job.say("progress", stage="loading", done=0, total=None, fps=0.0, seconds_left=None)
    frames = open_frames(source, options["start"], options["stop"], options["rate"])
    estimator, choice = cache.estimator(options.pop("estimator"), options["provider"])
    cache.keep_refiner(options["temporal"], options["provider"])
    progress = _Progress(job)
    try:
        takes = capture(source, Stoppable(estimator, job.cancel), progress=progress, cancel=job.cancel, **options)
    except Cancelled as error:
        if error.partial is None:
            raise
        _end_with_partial(job, error.partial, folder, source)
        return {}
    except NoPersonError as error:
        if options["box"] is not None:
            raise
        found = str(error).split(";")[0]
        raise NoPersonError(f"{found}; choose a range in which a whole person can be seen") from error
    warnings: list[str] = []
    for take in takes:
        if choice:
            take.notes["estimator_choice"] = choice
        warnings += [str(text) for text in take.notes.get("warnings", []) if text not in warnings]
    for text in warnings:
        job.say("warning", message=text)
    paths = _save(job, takes, folder, _stem(source))
    return {
        "takes": paths,
        "frames": len(takes[0]),
        "fps": round(progress.fps, 2),
        "seconds": round(time.monotonic() - job.began, 3),
        "estimator": takes[0].estimator,
        "estimator_choice": choice,
        "warnings": warnings,
        "source": describe_source(frames),
    }


def text_field(job: Job, name: str) -> str:
    """A field that must be there.

    Raises:
        ProtocolError: it is not.
    """
    value = job.fields.get(name)
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"{job.command}: {name!r} is missing")
    return value


def describe_source(frames: FrameSource) -> dict[str, Any]:
    """Facts of a source as JSON values; ``count`` is of the range asked for, None where nobody knows."""
    return {"path": frames.path, "size": list(frames.size), "rate": frames.rate, "count": frames.count}


def _options(job: Job) -> dict[str, Any]:
    given = {key: value for key, value in job.fields.items() if key not in ("source", "out_folder")}
    for key, value in given.items():
        if key not in _OPTIONS:
            raise ProtocolError(f"capture: unknown option {key!r}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key in _NUMBERS and value is not None and not number:
            raise ProtocolError(f"capture: {key} must be a number or null, got {value!r}")
    return {**_OPTIONS, **given}


class _Progress:
    """Progress events, throttled: the first frame, about five a second, and the last.

    The speed told is that of the last seconds: the search in the first frame is slow and says nothing of the rest.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told: deque[tuple[float, int]] = deque(maxlen=_SPEED_WINDOW)
        self.fps = 0.0

    def __call__(self, done: int, total: int | None, fps: float) -> None:
        self._job.worthwhile = True
        self.fps = fps
        now = time.monotonic()
        if self._told and now - self._told[-1][0] < THROTTLE and done != total:
            return
        left = None
        if self._told:
            then, before = self._told[0]
            fps = (done - before) / max(now - then, 1e-6)
            left = None if total is None or fps <= 0 else round(max(0, total - done) / fps, 1)
        self._told.append((now, done))
        self._job.say("progress", stage="capture", done=done, total=total, fps=round(fps, 2), seconds_left=left)


def _need_folder(folder: Path) -> None:
    """Make the folder, and find out now whether it can be written.

    Raises:
        OutputError: it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"{folder}: cannot write there ({error.strerror}); choose another folder") from error


def _stem(source: str) -> str:
    """A file name, without its suffix, that every system accepts."""
    name = Path(source).stem or Path(source).name
    return re.sub(r"[^\w.+-]+", "_", name).strip("._")[:80] or "take"


def _free(folder: Path, stem: str) -> Path:
    """A path where nothing is: what was observed before is not overwritten."""
    path, count = folder / f"{stem}.npz", 1
    while path.exists():
        count += 1
        path = folder / f"{stem}-{count}.npz"
    return path


def _save(job: Job, takes: list[Take], folder: Path, stem: str) -> list[str]:
    """Write the Takes; where the folder fails, into the system's temporary folder, and say so.

    Raises:
        OutputError: written to neither. The other case ends the job by itself.
    """
    paths: list[str] = []
    for n, take in enumerate(takes, start=1):
        path = _free(folder, stem if n == 1 else f"{stem}.person{n}")
        try:
            take.save(path)
        except OutputError as error:
            _end_with_refuge(job, takes, stem, error)
            return []
        paths.append(str(path))
    return paths


def _end_with_refuge(job: Job, takes: list[Take], stem: str, error: OutputError) -> None:
    """A full disk must not cost an hour's analysis: keep it elsewhere if that can be done."""
    refuge = Path(tempfile.mkdtemp(prefix="posecore-"))
    kept = []
    for n, take in enumerate(takes, start=1):
        path = refuge / f"{stem}.{n}.npz"
        take.save(path)
        kept.append(str(path))
    message = f"{error}; what was captured is kept in {refuge}"
    job.end("error", message=message, kind="OutputError", exit_code=error.exit_code, takes=kept)


def _end_with_partial(job: Job, take: Take, folder: Path, source: str) -> None:
    """End a cancelled job, its frames until then kept."""
    path = _free(folder, f"{_stem(source)}.partial")
    take.save(path)
    message = f"stopped; the {len(take)} frames captured are kept in {path}"
    job.end(
        "error", message=message, kind="Cancelled", exit_code=Cancelled.exit_code, takes=[str(path)], frames=len(take)
    )
