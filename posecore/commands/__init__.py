"""The commands of ``posecore``, one module each. Imported at every start, so: no numpy up here."""
