"""The papers' own figures, as their authors (or the seeds, where they report own runs) print them.

Nothing here was measured by this project. Other data and other sizes of network than most of our runs: they stand
beside ours for the direction of an effect, and for its size only where the benchmark is the paper's.
"""

from __future__ import annotations

__all__ = [
    "AUGMENTATION_OCCLUSION_GAIN",
    "AVERAGE_JOINT_DISTANCE",
    "DABRAL",
    "DABRAL_3DHP",
    "GEOMETRY_MM",
    "GEOMETRY_PX",
    "LIFTING",
    "ORDINAL_ACCURACY",
    "WEIGHTED_GAIN_MM",
    "ZHOU_3DHP",
    "ZHOU_H36M",
    "ZHOU_PCKH",
    "ZHOU_SETTINGS",
]

#: Zhou et al. 2017: trained on 3D data alone or with 2D data too, without and with the geometric loss.
ZHOU_SETTINGS = ("3D/wo geo", "3D/w geo", "3D+2D/wo geo", "3D+2D/w geo")

_H36M: dict[str, tuple[float, float, float, float]] = {
    "Directions": (73.25, 72.29, 55.17, 54.82),
    "Discussion": (79.17, 77.15, 61.16, 60.70),
    "Eating": (72.35, 72.60, 58.12, 58.22),
    "Greeting": (83.90, 81.08, 71.75, 71.41),
    "Phoning": (80.25, 80.81, 62.54, 62.03),
    "Photo": (81.86, 77.38, 67.29, 65.53),
    "Posing": (69.77, 68.30, 54.81, 53.83),
    "Purchases": (72.74, 72.85, 56.38, 55.58),
    "Sitting": (98.41, 93.52, 74.79, 75.20),
    "SittingDown": (141.60, 131.75, 113.99, 111.59),
    "Smoking": (80.01, 79.61, 64.34, 64.15),
    "Waiting": (86.31, 85.10, 68.78, 66.05),
    "WalkDog": (61.89, 67.49, 52.22, 51.43),
    "Walking": (76.32, 76.95, 63.97, 63.22),
    "WalkPair": (71.47, 71.99, 57.31, 55.33),
    "Average": (82.44, 80.98, 65.69, 64.90),
}
#: Zhou et al. 2017, table 1 (seed 002): Human3.6M, MPJPE in mm, by setting and action.
ZHOU_H36M: dict[str, dict[str, float]] = {
    setting: {action: values[column] for action, values in _H36M.items()}
    for column, setting in enumerate(ZHOU_SETTINGS)
}

#: Zhou et al. 2017, table 2 (seed 002): MPII validation, PCKh@0.5 in %.
ZHOU_PCKH: dict[str, float] = dict(zip(ZHOU_SETTINGS, (90.01, 90.57, 90.93, 91.62), strict=True))

_SCENES = ("studio, green screen", "studio, no green screen", "outdoor", "All", "AUC")
#: Zhou et al. 2017, table 3 (seed 002): MPI-INF-3DHP, PCK@150 mm in % by scene (named as by
#: :mod:`training.readers.mpi_inf_3dhp`), and AUC of all.
ZHOU_3DHP: dict[str, dict[str, float]] = {
    setting: dict(zip(_SCENES, values, strict=True))
    for setting, values in zip(
        ZHOU_SETTINGS,
        (
            (34.4, 40.8, 13.6, 31.5, 18.0),
            (45.6, 45.1, 14.4, 37.7, 20.9),
            (68.8, 61.2, 67.5, 65.8, 32.1),
            (71.1, 64.7, 72.7, 69.2, 32.5),
        ),
        strict=True,
    )
}
#: Dabral et al. 2018: MPI-INF-3DHP, PCK in % and AUC.
DABRAL_3DHP: dict[str, float] = {"All": 76.7, "AUC": 39.1}

_LIMBS = ("upper_arm", "lower_arm", "upper_leg", "lower_leg")
#: Zhou et al. 2017, table 4 (seed 002): |left − right| of limb lengths, mm and px of the 256 px crop.
GEOMETRY_MM: dict[str, dict[str, float]] = {
    "3D+2D/wo geo": dict(zip(_LIMBS, (42.4, 60.4, 43.5, 59.4), strict=True)),
    "3D+2D/w geo": dict(zip(_LIMBS, (37.8, 50.7, 43.4, 47.8), strict=True)),
}
GEOMETRY_PX: dict[str, dict[str, float]] = {
    "3D+2D/wo geo": dict(zip(_LIMBS, (6.27, 10.11, 6.89, 8.03), strict=True)),
    "3D+2D/w geo": dict(zip(_LIMBS, (4.80, 6.64, 4.93, 6.22), strict=True)),
}

#: Dabral et al. 2018, tables 1 and 5: Human3.6M, MPJPE in mm, by what is added.
DABRAL: dict[str, float] = {
    "base": 58.5,
    "+Lg": 58.3,
    "+La": 56.2,
    "+Ls": 55.5,
    "+TP-Net": 52.1,
    "+TP-Net semi-online": 51.1,
    "+LSTM": 54.05,
}

#: Seed 001 §3.1: points of PCK on Human3.6M's S8 that occlusion patches added to flip, rotation and shift.
AUGMENTATION_OCCLUSION_GAIN = 0.8
#: Seed 001 §2.4.2: mm of MPJPE that weights on wrists, elbows and feet gained.
WEIGHTED_GAIN_MM = 3.0
#: MPJPE in mm on Human3.6M: seed 001's on its server, Martinez et al. 2017 with detected and with true 2D.
LIFTING: dict[str, float] = {"seed 001": 101.9, "Martinez, detected 2D": 62.9, "Martinez, true 2D": 45.5}

#: Seed 004, experiment 2: LSP, px of the 256 px crop. The seed prints 14 numbers without names. In LSP's order the
#: right wrist would be the best joint and the shoulder one of the worst; in MPII's, without pelvis and thorax, neck
#: and shoulders are the best and ankles and wrists the worst, as everywhere: taken so.
AVERAGE_JOINT_DISTANCE: dict[str, float] = {
    "r_ankle": 7.7076,
    "r_knee": 6.2410,
    "r_hip": 5.4199,
    "l_hip": 5.3687,
    "l_knee": 6.4607,
    "l_ankle": 7.8869,
    "neck": 2.9242,
    "head_top": 4.4677,
    "r_wrist": 8.3792,
    "r_elbow": 6.5866,
    "r_shoulder": 4.2519,
    "l_shoulder": 4.1936,
    "l_elbow": 6.2540,
    "l_wrist": 8.5441,
}
#: Seed 004, experiments 4 and 5: Ordinal Depth Accuracy in %, by head; experiments 1 and 3 did not converge.
ORDINAL_ACCURACY: dict[str, float | None] = {
    "joint": None,
    "direct": None,
    "pooled3": 29.04,
    "pooled5": 50.13,
    "features": 58.35,
}
