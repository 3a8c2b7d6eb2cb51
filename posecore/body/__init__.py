"""Bodies of SMPL's family: load, shape, pose (numpy; :mod:`posecore.body.torch_body` for torch), measure, export,
and fit to a solved movement (:func:`fit_body`).

The open body comes with the library; SMPL's own files are read where a user has them (docs/bodies.md).
"""

from posecore.body.export import export_mesh
from posecore.body.fitting import BodyFit, fit_body
from posecore.body.model import OPEN_BODY, BodyModel, load_body
from posecore.body.silhouette import project, silhouette

__all__ = [
    "OPEN_BODY",
    "BodyFit",
    "BodyModel",
    "export_mesh",
    "fit_body",
    "load_body",
    "project",
    "silhouette",
]
