"""What bodies cost and how well the open one fits its source: ``python -m benchmarks.bodies``.

Speed: loading, skinning (numpy and torch) and a silhouette; the best of some runs, as a busy machine only adds.
Fit (with anny): the joint regressor's error, and what ten components leave of a shape, on adults that were not drawn
for the fit; ``--rebuild`` also builds the whole file again and compares it byte by byte (about 20 s on a free core).
"""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from scipy.spatial.transform import Rotation

from benchmarks.tables import markdown
from posecore.body import OPEN_BODY, load_body, project, silhouette
from posecore.body.files import read_body
from posecore.skeletons import SMPL_24

__all__ = ["fit_rows", "speed_rows"]


@dataclass(frozen=True)
class Options:
    """What to measure.

    Attributes:
        frames: poses skinned at once.
        repeats: runs of each; the best counts.
        adults: bodies drawn for the fit.
        rebuild: build the open body again and compare.
    """

    frames: int = 1000
    repeats: int = 5
    adults: int = 300
    rebuild: bool = False


def _best(work: Callable[[], Any], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def speed_rows(options: Options) -> list[dict[str, Any]]:
    """One row a kind of work."""
    model = load_body()
    count = options.frames
    turns = Rotation.random(count * len(SMPL_24), random_state=0)
    rotations = turns.as_quat().reshape(count, len(SMPL_24), 4)
    translation, betas = np.zeros((count, 3)), np.ones(model.shapedirs.shape[2])
    points, depth = project(model.v_template * (1, -1, -1) + (0, 0.85, 3), (300.0, 300.0), (127.5, 127.5))
    work: list[tuple[str, Callable[[], Any]]] = [
        ("load the open body", lambda: read_body(OPEN_BODY, 10)),
        (f"skin {count} frames, numpy", lambda: model.pose(rotations, translation, betas)),
        (f"joints of {count} frames, numpy", lambda: model.joints(rotations, translation, betas)),
        ("silhouette at 256 x 256", lambda: silhouette(points, model.faces, (256, 256), depth)),
    ]
    if importlib.util.find_spec("torch"):
        import torch

        from posecore.body.torch_body import TorchBody

        body = TorchBody(model)
        matrices = torch.tensor(turns[: 64 * len(SMPL_24)].as_matrix().reshape(64, len(SMPL_24), 3, 3)).float()
        shapes = torch.ones(64, len(betas), requires_grad=True)
        work.append(("skin 64 bodies, torch", lambda: body(matrices, shapes.detach())))
        work.append(("the same and its gradient", lambda: body(matrices, shapes)[0].sum().backward()))
    return [{"work": name, "seconds": _best(run, options.repeats)} for name, run in work]


def fit_rows(options: Options) -> list[dict[str, Any]]:
    """Errors in millimetres on adults that the fit never saw: as they are drawn for it, and rare ones."""
    from smpl_assets.build import SEED, sample_bodies
    from smpl_assets.source import load_source

    with np.load(OPEN_BODY, allow_pickle=False) as data:
        arrays = {name: data[name] for name in data.files}
    source = load_source().subset(arrays["source_vertices"], arrays["f"].astype(np.int32))
    shapes = arrays["shapedirs"].reshape(-1, arrays["shapedirs"].shape[2]).astype(float)
    rows = []
    for name, wide in (("adults", False), ("rare adults", True)):
        vertices, joints = sample_bodies(source, options.adults, SEED + 100, wide)
        found = np.einsum("jv,nvc->njc", arrays["J_regressor"], vertices)
        error = np.linalg.norm(found - joints, axis=-1) * 1000
        offsets = (vertices - arrays["v_template"]).reshape(len(vertices), -1)
        left = offsets - np.linalg.lstsq(shapes, offsets.T, rcond=None)[0].T @ shapes.T
        shape = np.linalg.norm(left.reshape(vertices.shape), axis=-1) * 1000
        rows.append(
            {
                "shapes": f"{len(vertices)} {name}",
                "joints, mean mm": float(error.mean()),
                "joints, max mm": float(error.max()),
                "worst joint": SMPL_24.joints[int(error.max(0).argmax())],
                "vertices with ten betas, mean mm": float(shape.mean()),
                "stature, mean m": float(vertices[..., 1].max(1).mean()),
                "sd m": float(vertices[..., 1].max(1).std()),
            }
        )
    return rows


def rebuilt() -> bool:
    """Whether the builder gives the shipped file again, byte by byte."""
    from smpl_assets.archive import write_fixed_npz
    from smpl_assets.build import build_open_body
    from smpl_assets.source import load_source

    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "open_body.npz"
        write_fixed_npz(again, build_open_body(load_source()))
        return again.read_bytes() == OPEN_BODY.read_bytes()


def main() -> None:
    """Measure and print the tables."""
    options = tyro.cli(Options, description=__doc__)
    print(markdown(speed_rows(options)))
    if not importlib.util.find_spec("anny"):
        print("\nno anny here: the fit is not measured")
        return
    print("\n" + markdown(fit_rows(options)))
    if options.rebuild:
        print("\nrebuilt byte by byte" if rebuilt() else "\nthe rebuilt file DIFFERS")


if __name__ == "__main__":
    main()
