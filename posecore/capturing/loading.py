"""Estimators by name. Each is imported only when asked for: a missing extra stops nobody else."""

from __future__ import annotations

from posecore.capturing.estimators import Estimator
from posecore.errors import PosecoreError

__all__ = ["ESTIMATORS", "choose_estimator", "load_estimator", "preferred_batch"]

#: The names that ``--estimator`` knows, besides ``auto``.
ESTIMATORS = ("sapnet", "sapnet-free", "blazepose", "smpl")

# Name -> set of weights. The free set was trained on nothing of unclear or research-only licence.
_SAPNETS = {"sapnet": "sapnet", "sapnet-free": "sapnet_free"}

# Frames in one batch. CoreML compiles a graph anew for every batch size; the CPU gains nothing by one.
_BATCH = {"cuda": 4, "directml": 4}


def load_estimator(name: str = "auto", provider: str = "auto") -> Estimator:
    """An estimator, ready to use.

    Args:
        name: ``sapnet``, ``sapnet-free`` (its weights from freely licensed data alone), ``blazepose``, ``smpl`` (a mesh
            regressor, where its weights are there), or ``auto``: the best by the model cards that works here.
        provider: ``auto``, ``cpu``, ``cuda``, ``directml`` or ``coreml``.

    Raises:
        PosecoreError: an unknown name, missing weights, or a missing provider or extra.
    """
    return choose_estimator(name, provider)[0]


def choose_estimator(name: str, provider: str = "auto") -> tuple[Estimator, str]:
    """As :func:`load_estimator`, with a sentence that says what ``auto`` chose and why ("" for a name)."""
    if name != "auto":
        return _load(name, provider), ""
    from posecore.runtime import resolve_provider, weights

    resolve_provider(provider)  # a missing provider is the user's to know, no reason to choose another network
    passed_over: list[str] = []
    first_error: PosecoreError | None = None
    for entry in weights.ranking():
        card = entry.card
        if card.estimator not in ESTIMATORS or card.name != card.estimator:
            continue  # another set of weights for an estimator is taken by its own name only
        try:
            estimator = _load(card.estimator, provider)
        except PosecoreError as error:
            first_error = first_error or error
            passed_over.append(f"{card.estimator} is ranked higher but not usable: {error}")
            continue
        measured = f"{card.rank:g} {card.rank_metric}".strip()
        return estimator, "; ".join([f"auto chose {card.estimator} ({measured})", *passed_over])
    try:
        return _load("sapnet", provider), "auto chose sapnet (no other estimator has been measured here)"
    except PosecoreError as error:
        raise first_error or error from None


def _load(name: str, provider: str) -> Estimator:
    plain = name.replace("_", "-")  # the weights' own spelling is understood, too
    if plain in _SAPNETS:
        from posecore.capturing.sapnet import SapNet

        return SapNet(provider=provider, weights=_SAPNETS[plain])
    if name == "smpl":
        from posecore.capturing.smpl import SmplRegressor

        return SmplRegressor(provider=provider)
    if name == "blazepose":
        from posecore.capturing.blazepose import BlazePose

        return BlazePose(provider=provider)
    raise PosecoreError(f"--estimator {name}: unknown; choose one of auto, {', '.join(ESTIMATORS)}")


def preferred_batch(provider: str) -> int:
    """How many frames to give an estimator at once on that provider.

    Raises:
        PosecoreError: the provider is missing.
    """
    from posecore.runtime import resolve_provider

    return _BATCH.get(resolve_provider(provider), 1)
