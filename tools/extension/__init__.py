"""The parts of ``tools/build_extension.py``: the wheels, the library, the manifest, the zip, the checks."""
