"""The mesh regressor with its critic (seed 003): a body from one picture.

python -m training smpl --data DATA --bodies runs/bodies --masks runs/lspet-masks.npz --out runs/smpl --loop.minutes 120

``--preset paper`` is the seed's size (ResNet-50, 224 px), for a GPU; the other presets are :mod:`posecore.nets`'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import lightning_fabric as lf
import numpy as np
import torch
import tyro
from scipy.spatial.transform import Rotation

from posecore.body import BodyModel, load_body
from posecore.errors import PosecoreError, SourceError
from posecore.nets import (
    BODY_CRITIC_PRESETS,
    BODY_REGRESSOR_PRESETS,
    BodyCritic,
    BodyRegressor,
    BodyRegressorConfig,
    PoseEncoder,
    load_hourglass,
    load_imagenet,
)
from posecore.skeletons import SMPL_24
from training.augmentation import Augmentation
from training.bodies.figures import body_figures, predicted_bodies, true_bodies
from training.bodies.pictures import BodyPictures, joined, load_lspet, load_rendered
from training.bodies.posed import PosedBody
from training.bodies.poses import BodyPoses, fit_to_rest, load_body_poses, mirrored, rest_offsets
from training.body_loop import BodyLoop, BodyRun, Sources, train_bodies
from training.checkpoints import load_checkpoint, load_facts, load_weights
from training.processes import launch, make_fabric
from training.splits import Split

__all__ = ["CRITICS", "SmplRecipe", "load_regressor", "main", "regressor_config", "run"]

CriticKind = Literal["none", "no-rotations", "full"]
CRITICS: tuple[CriticKind, ...] = ("none", "no-rotations", "full")

#: Side of the crops by preset, px.
_SIZES = {"cpu": 112, "tiny": 64, "pose": 128, "pose_tiny": 64}
_PAPER_SIZE = 224
_AUGMENTATION = Augmentation(rotation=20.0, scale=0.2)


@dataclass(frozen=True)
class SmplRecipe:
    """What to train on, and what.

    Attributes:
        out: folder of the check-points and the log.
        data: folder of the shared data sets (lspet/, mocap_cmu/). From mocap_cmu/ come the critic's real poses and the
            mean pose; without a critic it may be missing, and the mean is then a person who stands.
        bodies: folder of pictures from ``python -m training.rendering bodies``; None trains on LSPET alone.
        masks: LSPET's silhouettes from ``python -m training.bodies.masks``; None leaves LSPET out, unless ``bodies`` is
            None, too (then its joints alone).
        cache: folder of decoded pictures and captured poses; default ``out``/../cache.
        body: an npz of SMPL's family in the open body's place.
        preset: size of the network: paper (= seed), seed_iterative, hmr, hmr_6d, resnet18, cpu, tiny; pose reads the
            shipped SAP-Net's 2D half, frozen.
        rotations, rounds, camera, focal: of it, if not the preset's.
        encoder_weights: of a ResNet, ImageNet's, as torchvision names them (.pth or .safetensors; the seed's encoder
            had such; None starts from nothing). Of ``pose``, a check-point or .safetensors of a SAP-Net; it needs one.
        size: side of the crops, px, if not the preset's.
        critic: none, no-rotations, or full (seed 003 §4.1).
        limit: training pictures of each source at most, 0 for all; a few are overfitted.
        validate_limit: validation pictures of each source at most.
        validate_training: measure on the training pictures, as the overfitting experiment does.
    """

    out: Path
    data: Path
    bodies: Path | None = None
    masks: Path | None = None
    cache: Path | None = None
    body: Path | None = None
    preset: str = "cpu"
    rotations: Literal["axis_angle", "6d"] | None = None
    rounds: int | None = None
    camera: Literal["six_dof", "weak_perspective", "affine"] | None = None
    focal: float | None = None
    encoder_weights: Path | None = None
    size: int | None = None
    critic: CriticKind = "full"
    limit: int = 0
    validate_limit: int = 200
    validate_training: bool = False
    loop: BodyLoop = field(default_factory=BodyLoop)
    augmentation: Augmentation = _AUGMENTATION


def regressor_config(recipe: SmplRecipe) -> BodyRegressorConfig:
    """The network that the options name.

    Raises:
        PosecoreError: no such preset, or a camera that this recipe cannot train.
    """
    name = "seed" if recipe.preset == "paper" else recipe.preset
    if name not in BODY_REGRESSOR_PRESETS:
        raise PosecoreError(
            f"--preset {recipe.preset}: unknown; choose one of paper, {', '.join(BODY_REGRESSOR_PRESETS)}"
        )
    given = {key: getattr(recipe, key) for key in ("rotations", "rounds", "camera", "focal")}
    config = replace(BODY_REGRESSOR_PRESETS[name], **{key: value for key, value in given.items() if value is not None})
    if config.camera == "affine":
        raise PosecoreError("--camera affine: needs the pelvis' place with every picture; choose six_dof")
    return config


def _encoder_weights(path: Path) -> dict[str, torch.Tensor]:
    """A state dict from either kind of file.

    Raises:
        SourceError: missing, or not a file of weights.
    """
    if path.suffix == ".safetensors":
        return load_weights(path)
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file; expected ImageNet weights of the encoder") from None
    except Exception as error:
        raise SourceError(f"{path}: not a file of weights ({type(error).__name__})") from error


def _new_net(recipe: SmplRecipe, config: BodyRegressorConfig, poses: BodyPoses | None) -> BodyRegressor:
    """The network before its first step: the mean of the captured poses, and the encoder's weights where given."""
    net = BodyRegressor(config)
    if poses is not None:
        joints = np.moveaxis(np.concatenate([poses.rotations, mirrored(poses.rotations)]), 1, 0)
        mean = np.stack([Rotation.from_quat(joint).mean().as_rotvec() for joint in joints])
        mean[SMPL_24.index("pelvis")] = 0  # which way people face has no mean
        net.set_mean(torch.from_numpy(mean.astype(np.float32)))
    if isinstance(net.encoder, PoseEncoder) and recipe.encoder_weights is None:
        raise PosecoreError(
            f"--preset {recipe.preset}: reads a trained 2D net; give --encoder-weights, e.g. "
            "training/weights/sapnet.safetensors"
        )
    if recipe.encoder_weights is not None:
        try:
            if isinstance(net.encoder, PoseEncoder):
                load_hourglass(net.encoder, load_weights(recipe.encoder_weights))
            else:
                load_imagenet(net.encoder, _encoder_weights(recipe.encoder_weights))
        except ValueError as error:
            raise PosecoreError(f"{recipe.encoder_weights}: {error}") from error
    return net


def load_regressor(path: Path) -> tuple[BodyRegressor, int, dict[str, Any]]:
    """The averaged network of a check-point in eval mode, its crops' side, and the whole check-point.

    Raises:
        SourceError: missing or not a check-point.
        PosecoreError: a check-point of something else.
    """
    saved = load_checkpoint(path)
    facts = saved.get("facts", {})
    if facts.get("recipe") != "smpl":
        raise PosecoreError(f"{path}: not a check-point of `python -m training smpl`")
    preset = BODY_REGRESSOR_PRESETS[facts["preset"]]
    net = BodyRegressor(replace(preset, **facts["network"]))
    net.load_state_dict(load_weights(path))
    return net.eval(), int(saved["size"]), saved


def _encoder_facts(recipe: SmplRecipe, net: BodyRegressor) -> dict[str, Any]:
    """Which weights the encoder has from elsewhere, and whether they were made of free pictures alone."""
    if recipe.encoder_weights is None:
        return {"encoder_weights": "", "encoder_free": True}
    free = isinstance(net.encoder, PoseEncoder) and bool(load_facts(recipe.encoder_weights).get("free_only"))
    return {"encoder_weights": recipe.encoder_weights.name, "encoder_free": free}


def pictures_of(recipe: SmplRecipe, split: Split, limit: int) -> list[BodyPictures]:
    """Every source's pictures of one side of the split.

    Raises:
        PosecoreError: no source at all.
    """
    found = []
    if recipe.bodies is not None:
        found.append(load_rendered(recipe.bodies, split, limit))
    if recipe.masks is not None or recipe.bodies is None:
        cache = recipe.cache or recipe.out.parent / "cache"
        found.append(load_lspet(recipe.data, cache, recipe.masks, split, limit))
    return found


def _source(pictures: BodyPictures) -> str:
    return "bodies" if bool(pictures.solid[0]) else "lspet"


def run(recipe: SmplRecipe) -> dict[str, float]:
    """Train; returns the last validation figures."""
    loop = recipe.loop
    if loop.reprojection != "kpr" and recipe.bodies is None and recipe.masks is None:
        raise PosecoreError("--loop.reprojection: silhouettes are needed; give --bodies or --masks, or choose kpr")
    regressor_config(recipe)
    fabric = make_fabric(loop.accelerator, loop.devices, loop.nodes, loop.strategy, loop.precision)
    return launch(fabric, _run, recipe=recipe)


def _run(fabric: lf.Fabric, recipe: SmplRecipe) -> dict[str, float]:
    torch.manual_seed(recipe.loop.seed)
    body, config = load_body(recipe.body), regressor_config(recipe)
    size = recipe.size or _SIZES.get(recipe.preset, _PAPER_SIZE)
    with fabric.rank_zero_first(local=True):  # decoded once, then read by all
        training = pictures_of(recipe, "train", recipe.limit)
        poses = _poses(recipe, body)
    critic = None
    if recipe.critic != "none":
        name = {"cpu": "cpu", "pose": "cpu", "tiny": "tiny", "pose_tiny": "tiny"}.get(recipe.preset, "paper")
        critic = BodyCritic(replace(BODY_CRITIC_PRESETS[name], rotations=recipe.critic == "full", betas=config.betas))
    net = _new_net(recipe, config, poses)
    facts = {
        "recipe": "smpl",
        "preset": "seed" if recipe.preset == "paper" else recipe.preset,
        "network": {key: getattr(config, key) for key in ("rotations", "rounds", "camera", "focal", "betas")},
        "body": body.name,
        **_encoder_facts(recipe, net),
        "mean": "captures" if poses is not None else "standing",
        "critic": recipe.critic,
        "reprojection": recipe.loop.reprojection,
        "weights": asdict(recipe.loop.weights),
        "sources": [
            *(["bodies"] if recipe.bodies else []),
            *(["lspet"] if len(training) > bool(recipe.bodies) else []),
        ],
        "padding": recipe.augmentation.padding,
        "seed": recipe.loop.seed,
    }
    return train_bodies(
        BodyRun(
            fabric=fabric,
            loop=recipe.loop,
            out=recipe.out,
            net=net,
            critic=critic,
            body=PosedBody(body),
            sources=Sources(joined(training), poses if critic is not None else None),
            size=size,
            augmentation=recipe.augmentation,
            evaluate=_evaluator(recipe, body, size, training),
            facts=facts,
        )
    )


def _poses(recipe: SmplRecipe, body: BodyModel) -> BodyPoses | None:
    """Captured poses of the training subjects; None where there are none and no critic asks for them."""
    try:
        poses = load_body_poses(recipe.data, recipe.cache or recipe.out.parent / "cache").split("train")
    except SourceError:
        if recipe.critic != "none":
            raise
        return None
    return fit_to_rest(poses, rest_offsets(body.rest_joints()))


def _evaluator(
    recipe: SmplRecipe, body: BodyModel, size: int, training: list[BodyPictures]
) -> Callable[[BodyRegressor], dict[str, float]]:
    """Figures on held-out pictures of every source (or on the training pictures), ``SOURCE_FIGURE``."""
    chosen = training if recipe.validate_training else pictures_of(recipe, "validation", recipe.validate_limit)
    truths = {_source(one): true_bodies(one, body, size, recipe.augmentation.padding) for one in chosen}

    def evaluate(net: BodyRegressor) -> dict[str, float]:
        device = next(net.parameters()).device
        found = {}
        for name, truth in truths.items():

            def predict(image: torch.Tensor) -> Any:
                # On the CPU from here on: meshes are outlined by numpy.
                parameters = net.regress(image.to(device))[-1].float().cpu()
                return net.decode(parameters)

            figures = body_figures(predicted_bodies(predict, truth.image, body), truth)
            found |= {f"{name}_{key}": value for key, value in figures.items() if not np.isnan(value)}
        return found

    return evaluate


def main(args: list[str] | None = None) -> None:
    """The command."""
    run(tyro.cli(SmplRecipe, prog="python -m training smpl", args=args, description=__doc__))
