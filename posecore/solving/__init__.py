"""``Take`` → ``Motion``: body size, joint angles, root path, floor, smoothing.

Light enough to run again at every move of a slider. Knows the two values and nothing of networks or pictures.
"""

from posecore.solving.settings import SolveSettings
from posecore.solving.solver import solve

__all__ = ["SolveSettings", "solve"]
