"""``--body`` and ``--mesh``: a body fitted to the movement, for the commands that solve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import arg

from posecore.commands.common import Common, UsageError
from posecore.commands.reporting import Reporter

if TYPE_CHECKING:
    from posecore.body import BodyModel
    from posecore.body.fitting import BodyFit
    from posecore.motion import Motion
    from posecore.takes import Take

__all__ = ["BodyOptions", "body_facts"]

_OPEN = "open"
#: Bodies whose betas are what other tools take those in AMASS's files for.
_SMPLS = ("smpl", "smplh", "smplx")


@dataclass(frozen=True, kw_only=True)
class BodyOptions(Common):
    """Whether and which body is fitted."""

    body: Annotated[str | None, arg(metavar="open|FILE")] = None
    """Fit a body: open, or your own SMPL, SMPL-H or SMPL-X .npz. An .npz output then holds its shape and its pose."""
    mesh: Annotated[Path | None, arg(metavar="FILE")] = None
    """Also write the fitted body as a skinned, moving mesh (.glb or .gltf); without --body, the open body."""

    def body_model(self, outputs: Sequence[Path]) -> BodyModel | None:
        """Read the body before any heavy work; None where none is asked for.

        Raises:
            UsageError: no output would hold the body.
            PosecoreError: the body cannot be read.
        """
        if self.body is None and self.mesh is None:
            return None
        if self.mesh is None and not any(path.suffix.lower() == ".npz" for path in outputs):
            raise UsageError("--body: no output holds it; add -o NAME.npz or --mesh NAME.glb")
        from posecore.body import load_body

        return load_body(None if self.body in (None, _OPEN) else Path(self.body))

    def fit(
        self, motion: Motion, take: Take, model: BodyModel | None, reporter: Reporter, outputs: Sequence[Path]
    ) -> BodyFit | None:
        """Fit ``model``, write the mesh if asked for; say how well the body fits and whose betas ``outputs`` get."""
        if model is None:
            return None
        from posecore.body.fitting import fit_body

        fit = fit_body(motion, model, take)
        facts = fit.facts
        reporter.say(
            f"{model.name} body: limbs {100 * facts['joint_error']:.1f} cm from the solved ones, "
            f"soles at most {100 * facts['sole_depth']:.1f} cm in the floor"
        )
        for text in fit.motion.notes.get("warnings", []):
            if text not in motion.notes.get("warnings", []):  # the capture's and the solve's are theirs to tell
                reporter.warning(str(text))
        written = [path for path in outputs if path.suffix.lower() == ".npz"]
        if written and model.name not in _SMPLS:
            reporter.say(
                f"{', '.join(map(str, written))}: betas are those of the {model.name} body and mean nothing to SMPL; "
                "read them with that body"
            )
        if self.mesh is not None:
            fit.save(self.mesh)
        return fit


def body_facts(fit: BodyFit | None) -> dict[str, Any]:
    """JSON values for the closing line of ``--json``."""
    if fit is None:
        return {}
    betas = [round(float(value), 4) for value in fit.betas[:10]]
    return {"body": {"name": fit.body.name, "betas": betas, **fit.facts}}
