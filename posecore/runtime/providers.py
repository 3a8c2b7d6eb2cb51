"""Execution providers by the short names that users type: cpu, cuda, directml, coreml, auto."""

from __future__ import annotations

from collections.abc import Sequence

from posecore.errors import PosecoreError

__all__ = ["PROVIDERS", "available_providers", "execution_providers", "resolve_provider"]

#: Short name -> onnxruntime's name.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}

_REMEDY = {
    "cpu": "reinstall onnxruntime",
    "cuda": 'pip uninstall onnxruntime, then pip install "posecore[gpu]" (Linux or Windows with an NVIDIA driver)',
    "directml": "pip uninstall onnxruntime, then pip install onnxruntime-directml (Windows only)",
    "coreml": "it comes with onnxruntime on macOS only",
}

# What "auto" tries, in order. CoreML is left out: it compiles a graph anew for every batch size and falls
# back operator by operator, so it is not a safe default; a user can still ask for it.
_AUTO = ("cuda", "directml", "cpu")


def _present() -> Sequence[str]:
    """onnxruntime's own names of what this installation was built with."""
    import onnxruntime

    return onnxruntime.get_available_providers()


def available_providers() -> list[str]:
    """Short names of the providers that the installed onnxruntime was built with, fastest first.

    Built with does not mean working: CUDA's libraries are only met when a session is created.
    """
    present = _present()
    return [name for name in ("cuda", "directml", "coreml", "cpu") if PROVIDERS[name] in present]


def resolve_provider(name: str = "auto") -> str:
    """The short name of the provider to use: ``name`` itself, or for ``"auto"`` the fastest present.

    Raises:
        PosecoreError: an unknown name, or a provider that is not installed (the message says what to install).
    """
    if name != "auto" and name not in PROVIDERS:
        raise PosecoreError(f"--provider {name}: unknown; choose one of auto, {', '.join(PROVIDERS)}")
    available = available_providers()
    if name == "auto":
        return next((candidate for candidate in _AUTO if candidate in available), "cpu")
    if name not in available:
        raise PosecoreError(f"--provider {name}: not in this onnxruntime; {_REMEDY[name]}, or use --provider cpu")
    return name


def execution_providers(name: str) -> list[str]:
    """onnxruntime's provider list for a resolved short name; operators it lacks run on the CPU."""
    return [PROVIDERS[name]] if name == "cpu" else [PROVIDERS[name], PROVIDERS["cpu"]]
