"""Pickles of data sets, read as data: the door to :mod:`posecore.plain_pickle` for the readers.

Data sets are published as pickles all the same (VideoPose3D's npz with object arrays, mmpose's cameras); nothing in
them is run.
"""

from posecore.plain_pickle import Record, load_plain, load_plain_file, read_objects

__all__ = ["Record", "load_plain", "load_plain_file", "read_objects"]
