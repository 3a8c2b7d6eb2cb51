"""``Motion`` + ``Rig`` → ``RigMotion``: humanoid roles, automatic mapping, presets, transfer.

Plain Python: knows neither Blender nor any file format.
"""

from posecore.retargeting.mapping import Coverage, Mapping, Match
from posecore.retargeting.rig import Rig
from posecore.retargeting.rig_motion import RigMotion
from posecore.retargeting.roles import ROLES, Role
from posecore.retargeting.settings import RetargetSettings
from posecore.retargeting.transfer import retarget

__all__ = ["ROLES", "Coverage", "Mapping", "Match", "RetargetSettings", "Rig", "RigMotion", "Role", "retarget"]
