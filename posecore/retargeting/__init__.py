"""``Motion`` + ``Rig`` → ``RigMotion``: humanoid roles, automatic mapping, presets, transfer.

Plain Python: knows neither Blender nor any file format.
"""

from posecore.retargeting import presets
from posecore.retargeting.automatic import map_rig
from posecore.retargeting.mapping import Coverage, Mapping, Match
from posecore.retargeting.presets import Preset, Switch
from posecore.retargeting.rig import Rig
from posecore.retargeting.rig_motion import RigMotion
from posecore.retargeting.roles import ROLES, Role
from posecore.retargeting.settings import RetargetSettings
from posecore.retargeting.transfer import retarget

__all__ = [
    "ROLES",
    "Coverage",
    "Mapping",
    "Match",
    "Preset",
    "RetargetSettings",
    "Rig",
    "RigMotion",
    "Role",
    "Switch",
    "map_rig",
    "presets",
    "retarget",
]
