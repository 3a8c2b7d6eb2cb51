"""Peers to measure beside. Each runs in its own environment, as a subprocess."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["run_mediapipe"]

_SCRIPT = Path(__file__).with_name("mediapipe_pose.py")


def run_mediapipe(
    python: str | Path,
    source: str | Path | Mapping[str, NDArray[np.uint8]],
    mode: str = "video",
    smooth: bool = False,
    complexity: int = 1,
) -> dict[str, NDArray[Any]]:
    """MediaPipe Pose 0.10.21 on a video, a folder of pictures, or pictures in memory.

    Args:
        python: an interpreter whose environment has ``mediapipe==0.10.21``, ``numpy<2`` and ``av``
            (``python3.11 -m venv mp && mp/bin/pip install mediapipe==0.10.21 "numpy<2" av``).
        source: a video; a folder of pictures, an ``.npz`` or an ``.npy`` of pictures; or name -> (H, W, 3) uint8 RGB.
        mode: ``"video"`` follows the person from frame to frame; ``"pictures"`` takes each by itself.
        smooth: MediaPipe's own filter over time on the landmarks (``video`` only).
        complexity: 0 Lite, 1 Full, 2 Heavy.

    Returns:
        ``names`` (N,), ``xy`` (N, 33, 2) px, ``visibility`` (N, 33), ``world`` (N, 33, 3) m, ``found`` (N,) bool,
        ``seconds`` (N,) each in MediaPipe alone, ``version``.

    Raises:
        RuntimeError: the script failed; the message ends with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="posecore-peer-") as folder:
        if isinstance(source, Mapping):
            pictures = Path(folder) / "pictures.npz"
            # Numbered: a name could be one of np.savez's own keywords, or hold a slash.
            np.savez(pictures, **{f"{i:06d}": image for i, image in enumerate(source.values())})
        else:
            pictures = Path(source)
        out = Path(folder) / "out.npz"
        command = [str(python), str(_SCRIPT), str(pictures), str(out), "--mode", mode, "--complexity", str(complexity)]
        if smooth:
            command.append("--smooth")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not out.is_file():
            raise RuntimeError(f"MediaPipe failed in {python}: {done.stderr.strip()[-500:]}")
        with np.load(out, allow_pickle=False) as data:
            result = {name: data[name] for name in data.files}
    if isinstance(source, Mapping):
        result["names"] = np.array(list(source), dtype=str)
    return result
