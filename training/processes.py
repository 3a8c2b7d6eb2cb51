"""One process or many, on one machine or several: what the recipes ask of lightning-fabric.

Every process runs the same recipe; each draws its own share of every batch, gradients are averaged, and only rank 0
writes. Knows nothing of networks or data.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import lightning_fabric as lf
from lightning_fabric.strategies import DDPStrategy
from lightning_fabric.utilities.exceptions import MisconfigurationException

from posecore.errors import PosecoreError

__all__ = ["Strategy", "launch", "make_fabric", "shared"]

#: "auto": one process alone, several with "ddp". "ddp" starts the command once more for every process (or takes those
#: that torchrun or SLURM started); "ddp_spawn" forks them off inside Python, for notebooks and tests.
Strategy = Literal["auto", "ddp", "ddp_spawn"]


def make_fabric(
    accelerator: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    strategy: Strategy = "auto",
    precision: str = "32-true",
    unused: bool = False,
) -> lf.Fabric:
    """A Fabric for ``devices`` processes on each of ``nodes`` machines; see :func:`launch`.

    Args:
        accelerator: "auto", "cpu", "cuda" or "mps".
        devices: processes on each machine; -1 for one per GPU.
        precision: lightning-fabric's name, e.g. "32-true" or "bf16-mixed".
        unused: weights that train may have no part in a step (the hourglass alone leaves its last feedback out).

    Raises:
        PosecoreError: the machine has no such devices.
    """
    plan: Any = "auto"
    if strategy != "auto" or nodes > 1 or devices != 1:
        start: Any = "spawn" if strategy == "ddp_spawn" else "popen"
        plan = DDPStrategy(start_method=start, find_unused_parameters=unused)
    try:
        return lf.Fabric(
            accelerator=accelerator,
            devices=devices,
            num_nodes=nodes,
            strategy=plan,
            precision=precision,  # type: ignore[arg-type]
        )
    except (MisconfigurationException, ValueError) as error:
        line = " ".join(str(error).split())
        raise PosecoreError(f"--accelerator {accelerator} --devices {devices}: not possible here ({line})") from None


def launch(fabric: lf.Fabric, function: Callable[..., Any], **arguments: Any) -> Any:
    """``function(fabric, **arguments)`` in every process; rank 0's answer.

    A module's own function, so that spawned processes find it. (Fabric looks through arguments of its own ``launch``
    for modules to unshare, and refuses frozen dataclasses there.)
    """
    return fabric.launch(partial(function, **arguments))


def shared(fabric: lf.Fabric, value: float) -> float:
    """Rank 0's value in every process, so that all of them stop by the same clock."""
    return float(fabric.broadcast(value)) if fabric.world_size > 1 else value
