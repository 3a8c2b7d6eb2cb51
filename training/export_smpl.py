"""Mesh regressor check-point → ONNX with its model card, checked against torch.

python -m training export-smpl --checkpoint runs/smpl/last.pt --output posecore/runtime/weights/smpl.onnx
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import tyro
from torch import Tensor, nn

from posecore.errors import PosecoreError
from posecore.files import atomic_path
from posecore.nets import BodyRegressor, PoseEncoderConfig, ResNetConfig
from posecore.runtime.cards import ModelCard, read_card, sha256_of, write_card
from training.bodies.losses import seen
from training.export_pose import store_as_half
from training.recipes.smpl import load_regressor

__all__ = ["ExportOptions", "export", "main"]

#: float16 weights turn an entry of a rotation matrix by less than this, or the export is wrong.
_PARITY_LIMIT = 0.02
#: The shipped file is not larger than this.
_MAX_MEGABYTES = 16
_DATA = {
    "bodies": {"name": "rendered open bodies (anny) in CMU motion", "licence": "Apache-2.0 / CC0 / CMU"},
    "lspet": {
        "name": "Leeds Sports Pose Extended, human joints; silhouettes by MediaPipe (Apache-2.0)",
        "licence": "none stated; research use",
    },
}


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        checkpoint: of :mod:`training.recipes.smpl`.
        output: the .onnx to write; the model card goes beside it.
        encoder_card: the model card of the weights that the encoder came from, whose training data are then listed.
        half: keep the weights as float16 (they run in float32).
        version: of the weights; recipe: the commands that made them; notes: how good they are, in words.
    """

    checkpoint: Path
    output: Path
    encoder_card: Path | None = None
    half: bool = True
    version: str = "1"
    recipe: str = ""
    notes: str = ""


class _Answers(nn.Module):
    """What the run time needs: rotations with the root's to the camera frame, betas, and the pelvis' place."""

    def __init__(self, net: BodyRegressor) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        prediction = self.net(image)
        camera, focal = prediction.camera, self.net.config.focal
        if self.net.config.camera == "six_dof":
            place = camera.translation
        else:  # far enough away that its perspective shows the same size
            scale = camera.scale.clamp_min(1e-3)
            place = torch.cat([camera.translation, (focal / scale)[:, None]], 1)
        return seen(prediction), prediction.betas, place


def export(options: ExportOptions) -> float:
    """Write the ONNX file and its card; returns the largest difference of the rotations against torch in float32.

    Raises:
        PosecoreError: no card of the encoder's weights; an affine camera, which has no place in space; a wrong export;
            a file too large to ship.
    """
    net, size, saved = load_regressor(options.checkpoint)
    if net.config.camera == "affine":
        raise PosecoreError(f"{options.checkpoint}: an affine camera says not where a body is; train with another one")
    learned = _training_data(saved["facts"], options.encoder_card)  # before anything is written
    wrapped = _Answers(net).eval()
    example = torch.rand(1, 3, size, size) - 0.5  # one picture at a time: the traced rotations know the batch's size
    outputs = ["rotations", "betas", "place"]
    with atomic_path(options.output) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            wrapped,
            (example,),
            temporary,
            input_names=["image"],
            output_names=outputs,
            opset_version=17,
            dynamo=False,
        )
        if options.half:
            onnx.save(store_as_half(onnx.load(temporary)), temporary)
        megabytes = temporary.stat().st_size / 1e6
        if megabytes > _MAX_MEGABYTES:
            raise PosecoreError(
                f"{options.output}: {megabytes:.0f} MB, more than the {_MAX_MEGABYTES} that are shipped; train a "
                "smaller preset"
            )
        difference = _parity(wrapped, temporary, example)
        if difference > _PARITY_LIMIT:
            raise PosecoreError(f"{options.output}: onnxruntime differs from torch by {difference:.3f}; a wrong export")
    card = replace(_card(options, net, size, saved, difference), training_data=learned)
    write_card(options.output.with_suffix(".json"), card)
    return difference


@torch.no_grad()
def _parity(net: nn.Module, path: Path, example: Tensor) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    found = session.run(["rotations"], {"image": example.numpy()})[0]
    return float(np.abs(found - net(example)[0].numpy()).max())


def _training_data(facts: dict[str, Any], encoder_card: Path | None) -> tuple[dict[str, Any], ...]:
    found: list[dict[str, Any]] = [_DATA.get(source, {"name": source}) for source in facts["sources"]]
    if weights := facts.get("encoder_weights"):
        if encoder_card is None:
            raise PosecoreError(f"the encoder's weights {weights} learned from something; give --encoder-card")
        theirs = read_card(encoder_card).training_data
        found += [{**entry, "name": f"through the encoder: {entry['name']}"} for entry in theirs]
    return tuple(found)


def _encoder(config: ResNetConfig | PoseEncoderConfig) -> str:
    if isinstance(config, ResNetConfig):
        return f"ResNet {config.block} {'-'.join(map(str, config.blocks))}, {config.width} channels"
    glass = config.hourglass
    kept = "frozen" if config.frozen else "trained on"
    return f"hourglass of {glass.stacks} stack(s), {glass.channels} channels, {kept}, read by {config.width} channels"


def _card(options: ExportOptions, net: BodyRegressor, size: int, saved: dict[str, Any], difference: float) -> ModelCard:
    config, facts = net.config, saved["facts"]
    encoder = config.encoder
    return ModelCard(
        name=options.output.stem,
        files={options.output.name: sha256_of(options.output)},
        version=options.version,
        architecture=f"mesh regressor ({facts['preset']}): {_encoder(encoder)}, three layers of {config.hidden}, "
        f"{config.rounds} rounds, {config.camera} camera, {size} px input",
        inputs={"image": f"(1, 3, {size}, {size}) float32, RGB in [0, 1] minus 0.5"},
        outputs={
            "rotations": "(1, 24, 3, 3) local rotations of SMPL_24, the root's to the frame of a camera that looks at "
            "the middle of the crop (x right, y down, z away)",
            "betas": f"(1, {config.betas}) shape of the open body",
            "place": "(1, 3) m, the pelvis in that frame",
        },
        licence="Apache-2.0 (code and weights); see training_data",
        restricted="lspet" in facts["sources"] or not facts.get("encoder_free", True),
        recipe=options.recipe,
        epochs=round(facts["samples"] / facts["pictures"], 1),
        seed=facts["seed"],
        metrics={"held-out pictures, crop around the labelled person": saved["figures"]},
        estimator="smpl",
        options={
            "input_size": size,
            "padding": facts["padding"],
            "focal": config.focal,
            "critic": facts["critic"],
            "reprojection": facts["reprojection"],
            "parity_with_torch": round(difference, 5),
        },
        notes=options.notes,
    )


def main(args: list[str] | None = None) -> None:
    """The command."""
    options = tyro.cli(ExportOptions, prog="python -m training export-smpl", args=args)
    print(f"{options.output}: largest difference to torch {export(options):.5f}")
