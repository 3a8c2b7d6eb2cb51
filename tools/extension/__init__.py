"""The parts of ``tools/build_extension.py``: which wheels, the library's own wheel, the manifest, the zip, the checks."""
