"""The commands that are not captures: ``hello``, ``probe`` and ``self_test``."""

from __future__ import annotations

import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import posecore
from posecore.capturing.estimators import Estimator, Pose
from posecore.capturing.images import is_image_source
from posecore.capturing.regions import Region
from posecore.capturing.video import open_frames
from posecore.errors import Cancelled, PosecoreError
from posecore.files import atomic_path
from posecore.runtime import available_providers, create_session, resolve_provider, weights
from posecore.runtime.providers import PROVIDERS
from posecore.worker.capturing import describe_source, text_field
from posecore.worker.estimators import EstimatorCache
from posecore.worker.jobs import Job

__all__ = ["hello", "probe", "self_test"]

_THUMBNAIL = 320  # px of the longer side
_RUNS = 7
# Another provider may round otherwise, but not see another pose: px of a picture 480 px high, metres.
_SAME_PIXELS, _SAME_METRES = 4.0, 0.03


def hello(job: Job, cache: EstimatorCache) -> dict[str, Any]:
    """What this worker is: versions, providers, and the estimators with weights on this machine, best first."""
    import av
    import onnxruntime
    import scipy

    return {
        "posecore": posecore.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "onnxruntime": onnxruntime.__version__,
        "av": av.__version__,
        "providers": available_providers(),
        "estimators": _estimators(),
    }


def _estimators() -> list[dict[str, Any]]:
    entries = [entry for entry in weights.listing() if entry.card.estimator]
    entries.sort(key=lambda entry: -(entry.card.rank or 0.0))
    keys = ("name", "version", "estimator", "rank", "rank_metric", "licence", "restricted", "architecture")
    return [{**{key: getattr(entry.card, key) for key in keys}, "origin": entry.origin} for entry in entries]


def probe(job: Job, cache: EstimatorCache) -> dict[str, Any]:
    """Facts of a source, and a small PNG of its first frame at ``thumbnail`` if that is given.

    Raises:
        SourceError: it cannot be read.
        OutputError: the thumbnail cannot be written.
    """
    frames = open_frames(text_field(job, "source"), rate=job.fields.get("rate"))
    thumbnail = job.fields.get("thumbnail")
    if thumbnail:
        _write_thumbnail(next(iter(frames)).image, Path(thumbnail))
    facts = describe_source(frames)
    seconds = None if frames.count is None else frames.count / frames.rate
    kind = "images" if is_image_source(frames.path) else "video"
    return {**facts, "seconds": seconds, "kind": kind, "thumbnail": thumbnail, "warnings": frames.warnings}


def _write_thumbnail(image: NDArray[np.uint8], path: Path) -> None:
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    with atomic_path(path) as temporary:
        picture.save(temporary, format="PNG")


def self_test(job: Job, cache: EstimatorCache) -> dict[str, Any]:
    """Try everything that a capture needs; every part gives a line, a fault of one stops no other.

    Raises:
        Cancelled: between two parts.
        PosecoreError: an unknown or missing provider.
    """
    provider = str(job.fields.get("provider") or "auto")
    resolve_provider(provider)
    names = list(dict.fromkeys(entry["estimator"] for entry in _estimators()))
    results = [_attempt("video", lambda: _try_video())]
    for done, name in enumerate(names, start=1):
        job.say("progress", stage="self-test", done=done - 1, total=len(names), fps=0.0, seconds_left=None)
        if job.cancel.is_set():
            raise Cancelled("the self-test was stopped")
        results.append(_attempt(name, lambda name=name: _try_estimator(name, provider, cache)))  # type: ignore[misc]
    estimators = results[1:]
    ok = results[0]["ok"] and any(result["ok"] for result in estimators)
    lines = [f"{result['name']}: {result['message']}" for result in results]
    return {"ok": ok, "message": "; ".join(lines), "results": results}


def _attempt(name: str, part: Any) -> dict[str, Any]:
    try:
        return {"name": name, "ok": True, **part()}
    except PosecoreError as error:
        return {"name": name, "ok": False, "message": f"failed: {error}"}
    except Exception as error:  # a self-test reports whatever it meets
        return {"name": name, "ok": False, "message": f"failed: unexpected {type(error).__name__}: {error}"}


def _try_video() -> dict[str, Any]:
    import av

    for codec in ("h264", "hevc", "vp9", "mpeg4"):
        av.codec.Codec(codec, "r")
    return {"message": f"ok, PyAV {av.__version__}"}


def _try_estimator(name: str, provider: str, cache: EstimatorCache) -> dict[str, Any]:
    began = time.perf_counter()
    estimator, _ = cache.estimator(name, provider)
    loading = time.perf_counter() - began
    used = _provider_used(name, provider)
    picture, region = _picture()
    pose = estimator.estimate([picture], [region])[0]
    _need_sound(pose)
    if used != "cpu":
        _need_same(pose, cache.estimator(name, "cpu")[0], picture, region, used)
    times = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        estimator.estimate([picture], [region])
        times.append(1000 * (time.perf_counter() - began))
    milliseconds = round(float(np.median(times)), 1)
    return {
        "message": f"ok, {milliseconds:g} ms a frame on {used}",
        "milliseconds": milliseconds,
        "loading_seconds": round(loading, 3),
        "provider": used,
        "version": estimator.name,
    }


def _provider_used(name: str, provider: str) -> str:
    """The provider that really runs an estimator's network: ``auto`` may have fallen back, LiteRT has the CPU only."""
    path = weights.installed(name).paths[0]
    if path.suffix != ".onnx":
        return "cpu"
    first = create_session(weights.find(name), provider).get_providers()[0]
    return next((short for short, full in PROVIDERS.items() if full == first), first)


def _need_sound(pose: Pose) -> None:
    if not all(np.isfinite(values).all() for values in (pose.keypoints, pose.confidence, pose.joints)):
        raise PosecoreError("gives numbers that are none; use --provider cpu")


def _need_same(pose: Pose, reference: Estimator, picture: NDArray[np.uint8], region: Region, used: str) -> None:
    """Faulty drivers exist that compute something else; the CPU is the judge."""
    other = reference.estimate([picture], [region])[0]
    pixels = float(np.abs(pose.keypoints - other.keypoints).max())
    metres = float(np.abs(pose.joints - other.joints).max())
    if pixels > _SAME_PIXELS or metres > _SAME_METRES:
        raise PosecoreError(f"on {used} the pose differs from the CPU's by {pixels:.1f} px; use provider cpu")


def _picture() -> tuple[NDArray[np.uint8], Region]:
    """A drawn figure, (480, 360, 3) RGB, and the region around it."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (360, 480), (120, 150, 120))
    draw = ImageDraw.Draw(image)
    skin, shirt, trousers = (224, 172, 140), (40, 60, 160), (60, 60, 60)
    draw.ellipse((157, 50, 203, 106), fill=skin)
    draw.rectangle((140, 112, 220, 250), fill=shirt)
    for sign in (-1, 1):
        x = 180 + 40 * sign
        draw.line((x, 122, x + 30 * sign, 190, x + 36 * sign, 250), fill=skin, width=20)
        draw.line((180 + 22 * sign, 250, 180 + 26 * sign, 345, 180 + 28 * sign, 430), fill=trousers, width=30)
    return np.asarray(image, np.uint8), Region((180.0, 240.0), 420.0)
