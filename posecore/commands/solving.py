"""``posecore solve``, and the solve step of ``posecore animate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from posecore.commands.bodies import BodyOptions, body_facts
from posecore.commands.capturing import summary
from posecore.commands.common import (
    MESH_SUFFIXES,
    MOTION_SUFFIXES,
    Common,
    UsageError,
    check_outputs,
    describe_take,
)
from posecore.commands.reporting import Reporter
from posecore.commands.rigging import RigOptions, save_outputs

if TYPE_CHECKING:
    from posecore.motion import Motion
    from posecore.takes import Take

__all__ = ["Solve", "SolveOptions", "need_outputs", "solve_take"]


@dataclass(frozen=True, kw_only=True)
class SolveOptions(Common):
    """How a Motion is solved from a Take."""

    smoothing: Annotated[float, arg(metavar="0…1")] = 0.5
    """0 keeps every tremble of the observation, 1 is as smooth as it gets."""
    height: Annotated[float | None, arg(metavar="METRES")] = None
    """The person's height in metres; without it, the size observed, which is a guess."""
    ground: bool = True
    """Put the floor at height 0; --no-ground keeps the height as seen."""
    in_place: bool = False
    """Keep the character on the spot: no travel over the ground."""

    def check(self) -> None:
        """Raise UsageError for impossible values."""
        if not 0 <= self.smoothing <= 1:
            raise UsageError(f"--smoothing: must lie in 0 … 1, got {self.smoothing:g}")
        if self.height is not None and not 0.3 <= self.height <= 3.0:
            raise UsageError(f"--height: a person's height in metres (0.3 … 3), got {self.height:g}")


def solve_take(take: Take, options: SolveOptions) -> Motion:
    """Solve with the options of the command line."""
    from posecore import solving

    settings = solving.SolveSettings(
        smoothing=options.smoothing, height=options.height, ground=options.ground, in_place=options.in_place
    )
    return solving.solve(take, settings)


def need_outputs(outputs: Sequence[Path]) -> None:
    """Raise UsageError when there is nothing to write."""
    if not outputs:
        raise UsageError(f"name at least one output: -o motion.bvh ({', '.join(MOTION_SUFFIXES)}), or --mesh body.glb")


@dataclass(frozen=True, kw_only=True)
class Solve(BodyOptions, RigOptions, SolveOptions):
    """Take in, animation out: light work, to be repeated with other settings."""

    take: Annotated[Positional[Path], arg(metavar="TAKE")]
    """A Take written by 'posecore capture' or by --take."""
    output: UseAppendAction[Annotated[list[Path], arg(aliases=["-o"], metavar="FILE")]]
    """Where to write: .bvh, .glb, .gltf or .npz. May be repeated."""

    def execute(self, reporter: Reporter) -> None:
        """See the class."""
        from posecore.takes import Take

        self.check()
        meshes = [self.mesh] if self.mesh else []
        outputs = [*self.output, *meshes]
        need_outputs(outputs)
        inputs = [str(path) for path in (self.take, self.rig, self.body) if path]
        check_outputs(
            [(path, MOTION_SUFFIXES) for path in self.output] + [(path, MESH_SUFFIXES) for path in meshes],
            inputs=inputs,
        )
        target = self.target(self.output, self.in_place)
        model = self.body_model(self.output)
        take = Take.load(self.take)
        motion = solve_take(take, self)
        fit = self.fit(motion, take, model, reporter, self.output)
        save_outputs(motion, self.output, target, reporter, fit)
        facts = describe_take(take) | (target.facts() if target else {}) | body_facts(fit)
        reporter.result(summary(facts, outputs), command="solve", outputs=[str(path) for path in outputs], **facts)
