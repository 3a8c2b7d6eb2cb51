"""Lifting nets and TP-Nets to ONNX, with their model cards. ``python -m training export-pose``.

Weights are stored as float16 and cast back when the session is made (half the size; arithmetic and tensors stay
float32), if that moves no coordinate by more than 2 mm; else they stay float32. Every file is checked against torch.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import tyro
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from posecore.errors import PosecoreError
from posecore.files import atomic_path
from posecore.nets.lifting import LiftingNet
from posecore.runtime.cards import ModelCard, sha256_of, write_card
from posecore.skeletons import BODY_21
from training.motion_data import CANONICAL_SIZE
from training.noise import STATISTICS_FILE, NoiseStatistics
from training.pose_loop import load_weights
from training.pose_samples import Scenes
from training.recipes import lift, temporal

__all__ = ["Config", "export", "main", "run", "store_as_half"]

WEIGHTS = Path(__file__).resolve().parent.parent / "posecore" / "runtime" / "weights"
_HALF_LIMIT = 2e-3  # m
_PARITY_LIMIT = 1e-4  # m

_CMU = {
    "name": "CMU Graphics Lab Motion Capture Database (subset)",
    "licence": "free for all uses, also commercial; the data may not be resold (mocap.cs.cmu.edu, NSF EIA-0196217)",
    "share": 1.0,
}
_FRAME = (
    "ray frame: the camera frame (x right, y down, z away) turned so that its z axis points at the pelvis; bodies of "
    "one canonical size, see training.motion_data"
)


@dataclass(frozen=True)
class Config:
    """Export the runs that are given, and measure them for their cards.

    Attributes:
        data: the data folder (with mocap_cmu), for the figures in the cards.
        lifter: folder of a lifting run; TP-Nets are measured on its predictions.
        online: folder of an online TP-Net run.
        semi: folder of a semi-online TP-Net run.
        noise: noise statistics (JSON) to measure with.
        version: of the weights, for the cards.
        out: where NAME.onnx and NAME.json go.
    """

    data: Path
    lifter: Path
    online: Path | None = None
    semi: Path | None = None
    noise: Path = STATISTICS_FILE
    version: str = "1"
    out: Path = WEIGHTS


class _RootRelative(nn.Module):
    """A net whose joints are relative to the pelvis exactly."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.root = BODY_21.index("pelvis")

    def forward(self, inputs: Tensor) -> Tensor:
        joints = self.net(inputs)
        return joints - joints[:, self.root : self.root + 1]


def export(net: nn.Module, path: Path, input_name: str, output_name: str, example: Tensor) -> dict[str, Any]:
    """Write ``net`` as ONNX with a free batch size, and compare it with torch.

    Args:
        example: (N, ...) inputs to trace and to compare with, N ≥ 2.

    Returns:
        ``weights`` ("float16" or "float32") and ``parity_mm``, the largest difference of any coordinate.

    Raises:
        PosecoreError: the file does not compute what the net computes.
    """
    module = _RootRelative(net).eval().cpu()
    with torch.no_grad():
        expected = module(example).numpy()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    program = torch.onnx.export(
        module,
        (example,),
        input_names=[input_name],
        output_names=[output_name],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    model = without_traces(program.model_proto)
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    half = store_as_half(model)
    kind = "float16"
    if _difference(half, input_name, example, expected) > _HALF_LIMIT:
        half, kind = model, "float32"
    exact = _difference(model, input_name, example, expected)
    if exact > _PARITY_LIMIT:
        raise PosecoreError(f"{path}: onnxruntime differs from torch by {exact * 1000:.2f} mm; the export is wrong")
    onnx.checker.check_model(half)
    with atomic_path(path) as temporary:
        temporary.write_bytes(half.SerializeToString())
    return {"weights": kind, "parity_mm": round(1000 * _difference(half, input_name, example, expected), 4)}


def _difference(model: onnx.ModelProto, input_name: str, example: Tensor, expected: Any) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found = session.run(None, {input_name: example.numpy()})[0]
    return float(np.abs(found - expected).max())


def without_traces(model: onnx.ModelProto) -> onnx.ModelProto:
    """Drop what the exporter notes of the machine it ran on: stack traces with its paths."""
    del model.metadata_props[:]
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    return model


def store_as_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose large float32 weights are float16 behind a Cast (which onnxruntime folds when it loads)."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph = copy.graph
    casts = []
    for index, tensor in enumerate(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 1024:
            continue
        name = tensor.name
        small = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half")
        graph.initializer[index].CopyFrom(small)
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], name=f"{name}_cast", to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.value_info[:]
    return copy


def _card(
    name: str, out: Path, folder: Path, recipe: str, written: dict[str, Any], measured: dict[str, float], **fields: Any
) -> None:
    _, facts = load_weights(folder)
    loop = facts["loop"]
    metrics = {
        "held-out CMU subjects, virtual cameras, noise as in training": measured,
        "export": {"largest_difference_from_torch_mm": written["parity_mm"]},
    }
    options = {"weights": written["weights"], "canonical_size_m": round(CANONICAL_SIZE, 4), "net": facts["net"]}
    write_card(
        out / f"{name}.json",
        ModelCard(
            name=name,
            files={f"{name}.onnx": sha256_of(out / f"{name}.onnx")},
            training_data=(_CMU,),
            licence="Apache-2.0",
            recipe=recipe,
            seed=loop["seed"],
            metrics=metrics,
            options={**options, "steps": facts["step"], "batch": loop["batch"], "noise": facts["noise"]},
            **fields,
        ),
    )


def _export_lifter(config: Config, net: LiftingNet, statistics: NoiseStatistics) -> Path:
    scenes = lift.evaluation_scenes(config.data, statistics)
    path = config.out / "lifter.onnx"
    result = export(net, path, "keypoints", "joints", lift.samples(scenes)[0][:64])
    _card(
        "lifter",
        config.out,
        config.lifter,
        "python -m training lift --data DATA",
        result,
        lift.evaluator(scenes)(net),
        version=config.version,
        architecture=f"Martinez et al. 2017, width {net.config.width}, {net.config.blocks} residual blocks",
        inputs={"keypoints": "(N, 21, 3) float32 from posecore.capturing.lifting.normalise_keypoints"},
        outputs={"joints": f"(N, 21, 3) float32, m, relative to the pelvis; {_FRAME}"},
    )
    return path


def _export_temporal(config: Config, name: str, folder: Path, lifter: LiftingNet, scenes: Scenes) -> Path:
    net = temporal.load(folder)
    size = net.config
    path = config.out / f"{name}.onnx"
    noise = torch.randn(16, size.window, size.joints, 3, generator=torch.Generator().manual_seed(0))
    result = export(net, path, "joints", "refined", net.pose.mean + net.pose.std * noise)
    preset = "small" if name == "tpnet_online" else "small_semi"
    _card(
        name,
        config.out,
        folder,
        f"python -m training temporal --data DATA --lifter runs/lift --preset {preset}",
        result,
        temporal.evaluator(scenes, lifter)(net),
        version=config.version,
        architecture=f"TP-Net (Dabral et al. 2018), two layers of {size.width}, "
        + ("change of the current pose" if size.residual else "pose"),
        inputs={
            "joints": f"(N, {size.window}, 21, 3) float32, m, relative to the pelvis, oldest first, the current one at "
            f"index {size.current}, 30 frames/s; beyond an end of the clip stands its first or last pose"
        },
        outputs={"refined": "(N, 21, 3) float32, m, relative to the pelvis, in the frame of the input"},
    )
    return path


def run(config: Config) -> list[Path]:
    """Export what ``config`` names; the written .onnx files."""
    statistics = NoiseStatistics.load(config.noise)
    lifter = lift.load(config.lifter)
    written = [_export_lifter(config, lifter, statistics)]
    scenes = lift.evaluation_scenes(config.data, statistics, 40, 90)
    for name, folder in (("tpnet_online", config.online), ("tpnet_semi", config.semi)):
        if folder is not None:
            written.append(_export_temporal(config, name, folder, lifter, scenes))
    return written


def main(args: list[str] | None = None) -> None:
    """``python -m training export-pose``."""
    for path in run(tyro.cli(Config, prog="python -m training export-pose", args=args)):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
