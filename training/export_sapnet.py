"""SAP-Net check-point → ONNX with its model card, checked against torch.

python -m training export-sapnet --checkpoint runs/sapnet/last.pt --output posecore/runtime/weights/sapnet.onnx
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
import tyro
from torch import Tensor, nn

from posecore.errors import PosecoreError
from posecore.files import atomic_path
from posecore.nets.sapnet import SAPNET_PRESETS, SapNet
from posecore.runtime.cards import ModelCard, sha256_of, write_card
from training.checkpoints import load_checkpoint, load_weights, save_weights
from training.export_pose import store_as_half

__all__ = ["ExportOptions", "export", "load_net", "main"]

# float16 weights move a heatmap (height 1) by less than this, or the export is wrong.
_PARITY_LIMIT = 0.05
_DATA = {
    "lspet": {"name": "Leeds Sports Pose Extended, human and pseudo labels", "licence": "none stated; research use"},
    "people": {"name": "people: crops with pseudo-labels of MediaPipe Pose", "licence": "mixed; 1,687 crops are free"},
    "people-free": {
        "name": "people: the freely licensed crops (1,687), labelled by MediaPipe Pose (Apache-2.0) alone",
        "licence": "Unlicense, CC BY 4.0, MIT",
    },
    "synthetic": {"name": "rendered bodies (anny) in CMU motion", "licence": "Apache-2.0 / CC0 / CMU"},
}


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        checkpoint: of :mod:`training.recipes.sapnet`.
        output: the .onnx to write; the model card goes beside it.
        half: keep the weights as float16 (half the file; they run in float32).
        keep: also write the weights there as .safetensors, for ``--init`` of a later run.
        version: of the weights, for the card.
        joints: where the run time takes 3D from: the network's "depth" or the "lifter".
        presence_midpoint: mean limb peak at which a person is as likely there as not.
        rank: PCK of ``python -m benchmarks.accuracy`` on the LSPET validation split, two looks and no box, by which
            ``--estimator auto`` chooses; without it the weights are only used when asked for by name.
        recipe: the commands that made the check-point; notes: anything else for the card.
    """

    checkpoint: Path
    output: Path
    half: bool = True
    keep: Path | None = None
    version: str = "1"
    joints: str = "depth"
    presence_midpoint: float = 0.3
    rank: float | None = None
    recipe: str = ""
    notes: str = ""


class _LastStack(nn.Module):
    """What the run time needs: the last stack's heatmaps, and depth."""

    def __init__(self, net: SapNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        heatmaps, depth = self.net(image)
        return heatmaps[-1], depth


def load_net(path: Path) -> tuple[SapNet, int, dict[str, float]]:
    """The averaged network of a check-point in eval mode, its input size, and its validation figures."""
    saved = load_checkpoint(path)
    net = SapNet(SAPNET_PRESETS[saved["preset"]])
    net.load_state_dict(load_weights(path))
    return net.eval(), int(saved["size"]), saved["figures"]


def export(options: ExportOptions) -> float:
    """Write the ONNX file; returns the largest difference of the heatmaps against torch in float32."""
    net, size, _ = load_net(options.checkpoint)
    wrapped = _LastStack(net).eval()  # the exporter would put an unset wrapper, and the net in it, back to training
    example = torch.rand(2, 3, size, size) - 0.5
    with atomic_path(options.output) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            (example,),
            temporary,
            input_names=["image"],
            output_names=["heatmaps", "depth"],
            dynamic_axes={name: {0: "batch"} for name in ("image", "heatmaps", "depth")},
            opset_version=17,
            dynamo=False,
        )
        if options.half:
            onnx.save(store_as_half(onnx.load(temporary)), temporary)
    difference = parity(wrapped, options.output, example)
    if difference > _PARITY_LIMIT:
        raise PosecoreError(
            f"{options.output}: onnxruntime differs from torch by {difference:.3f}; the export is wrong"
        )
    _write_card(options, difference)
    if options.keep is not None:
        facts = load_checkpoint(options.checkpoint)["facts"]
        save_weights(options.keep, net.state_dict(), {"free_only": facts["free_only"]})
    return difference


def _write_card(options: ExportOptions, difference: float) -> None:
    saved = load_checkpoint(options.checkpoint)
    config, facts = SAPNET_PRESETS[saved["preset"]], saved["facts"]
    glass, size = config.hourglass, int(saved["size"])
    name = options.output.stem
    write_card(
        options.output.with_suffix(".json"),
        ModelCard(
            name=name,
            files={options.output.name: sha256_of(options.output)},
            version=options.version,
            architecture=f"SAP-Net, {glass.stacks} stack(s) x {glass.residual_count} residual(s), "
            f"{glass.channels} channels, {size} px input",
            inputs={"image": f"(N, 3, {size}, {size}) float32, RGB in [0, 1] minus 0.5"},
            outputs={
                "heatmaps": f"(N, {glass.joints}, {size // 4}, {size // 4}), 1 at a joint",
                "depth": f"(N, {glass.joints}), units of half the crop's side, relative to the pelvis, + away",
            },
            training_data=tuple(_DATA.get(source, {"name": source}) for source in dict.fromkeys(facts["sources"])),
            licence="Apache-2.0 (code and weights); see training_data",
            restricted=not set(facts["sources"]) <= {"people-free", "synthetic"},
            recipe=options.recipe,
            epochs=round(facts["samples"] / facts["pictures"], 1),
            seed=facts["seed"],
            metrics={"validation (5 % by hash of the key, crop around the labelled person)": saved["figures"]},
            estimator="sapnet",
            rank=options.rank,
            rank_metric="PCK@0.2 (torso), twelve limb joints, LSPET validation split, whole picture, no box",
            options={
                "input_size": size,
                "padding": facts["padding"],
                "presence_midpoint": options.presence_midpoint,
                "joints": options.joints,
                "parity_with_torch": round(difference, 5),
            },
            notes=options.notes,
        ),
    )


@torch.no_grad()
def parity(net: nn.Module, path: Path, example: Tensor) -> float:
    """Largest absolute difference of the heatmaps between torch and onnxruntime on ``example``."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    heatmaps, depth = session.run(["heatmaps", "depth"], {"image": example.numpy()})
    expected = net(example)
    return max(
        float(np.abs(heatmaps - expected[0].numpy()).max()),
        float(np.abs(depth - expected[1].numpy()).max()),
    )


def main(args: list[str] | None = None) -> None:
    """The command."""
    options = tyro.cli(ExportOptions, prog="python -m training export-sapnet", args=args)
    print(f"{options.output}: largest difference to torch {export(options):.5f}")
