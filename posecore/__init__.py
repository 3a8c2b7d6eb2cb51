"""posecore: one video in, a moving character skeleton out.

The public face. Everything is looked up on first use (PEP 562), so that ``import posecore``
costs nothing: numpy, scipy and onnxruntime come in with the first value that needs them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from posecore import errors as errors
    from posecore import skeletons as skeletons
    from posecore.body import BodyFit as BodyFit
    from posecore.body import BodyModel as BodyModel
    from posecore.body import fit_body as fit_body
    from posecore.body import load_body as load_body
    from posecore.capturing import capture as capture
    from posecore.capturing import load_estimator as load_estimator
    from posecore.capturing.estimators import Pose as Pose
    from posecore.errors import Cancelled as Cancelled
    from posecore.errors import NoPersonError as NoPersonError
    from posecore.errors import OutputError as OutputError
    from posecore.errors import PosecoreError as PosecoreError
    from posecore.errors import SourceError as SourceError
    from posecore.motion import Motion as Motion
    from posecore.retargeting import Mapping as Mapping
    from posecore.retargeting import RetargetSettings as RetargetSettings
    from posecore.retargeting import Rig as Rig
    from posecore.retargeting import RigMotion as RigMotion
    from posecore.retargeting import retarget as retarget
    from posecore.solving import SolveSettings as SolveSettings
    from posecore.solving import solve as solve
    from posecore.takes import Camera as Camera
    from posecore.takes import Take as Take

#: Public name -> the module that defines it.
_HOME = {
    "BodyFit": "posecore.body",
    "BodyModel": "posecore.body",
    "Camera": "posecore.takes",
    "Cancelled": "posecore.errors",
    "Mapping": "posecore.retargeting",
    "Motion": "posecore.motion",
    "NoPersonError": "posecore.errors",
    "OutputError": "posecore.errors",
    "Pose": "posecore.capturing.estimators",
    "PosecoreError": "posecore.errors",
    "RetargetSettings": "posecore.retargeting",
    "Rig": "posecore.retargeting",
    "RigMotion": "posecore.retargeting",
    "SolveSettings": "posecore.solving",
    "SourceError": "posecore.errors",
    "Take": "posecore.takes",
    "capture": "posecore.capturing",
    "fit_body": "posecore.body",
    "load_body": "posecore.body",
    "load_estimator": "posecore.capturing",
    "retarget": "posecore.retargeting",
    "solve": "posecore.solving",
}
_MODULES = ("errors", "skeletons")

__all__ = [
    "BodyFit",
    "BodyModel",
    "Camera",
    "Cancelled",
    "Mapping",
    "Motion",
    "NoPersonError",
    "OutputError",
    "Pose",
    "PosecoreError",
    "RetargetSettings",
    "Rig",
    "RigMotion",
    "SolveSettings",
    "SourceError",
    "Take",
    "__version__",
    "capture",
    "errors",
    "fit_body",
    "load_body",
    "load_estimator",
    "retarget",
    "skeletons",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"posecore.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'posecore' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value  # the next look-up does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
