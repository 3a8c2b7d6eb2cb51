"""onnxruntime sessions: made once per file, provider and thread count, and shared."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from posecore.errors import PosecoreError
from posecore.runtime.providers import PROVIDERS, execution_providers, resolve_provider

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["create_session"]

# Sessions live as long as somebody uses them: running one from several threads at once is safe.
_sessions: WeakValueDictionary[tuple[Any, ...], InferenceSession] = WeakValueDictionary()
_lock = threading.Lock()


def create_session(model: str | os.PathLike[str] | bytes, provider: str = "auto", threads: int = 1) -> InferenceSession:
    """A session for an ONNX file (or its bytes), shared with everyone who asks for the same.

    One thread by default, and none that spins while it waits: the stages of a capture run side by
    side, one core each, and a spinning pool would take the other stage's core.

    Args:
        provider: ``auto``, ``cpu``, ``cuda``, ``directml`` or ``coreml``. ``auto`` falls back to the
            CPU if the faster provider cannot start; a provider asked for by name does not.
        threads: CPU threads inside one operator; 0 leaves the number to onnxruntime.

    Raises:
        PosecoreError: no such file, not an ONNX model, or the provider is missing or cannot start.
    """
    name = resolve_provider(provider)
    key = (*_identity(model), name, threads)
    with _lock:
        session = _sessions.get(key)
        if session is None:
            session = _create_with_fallback(model, name, threads, may_fall_back=provider == "auto")
            _sessions[key] = session
        return session


def _identity(model: str | os.PathLike[str] | bytes) -> tuple[Any, ...]:
    """What makes two requests the same model: content, or path with size and time of change."""
    if isinstance(model, bytes):
        return (hashlib.sha256(model).digest(),)
    path = Path(model)
    try:
        status = path.stat()
    except OSError:
        raise PosecoreError(f"{path}: no such weights file") from None
    return (str(path.resolve()), status.st_size, status.st_mtime_ns)


def _create_with_fallback(
    model: str | os.PathLike[str] | bytes, name: str, threads: int, may_fall_back: bool
) -> InferenceSession:
    try:
        session = _create(model, name, threads)
        if session.get_providers()[0] == PROVIDERS[name]:
            return session
        # onnxruntime drops a provider whose libraries it cannot load, with no more than a line in its log.
        reason = "its libraries or its device were not found"
    except PosecoreError:
        raise
    except Exception as error:  # onnxruntime's errors have no common class
        if name == "cpu":
            label = "model" if isinstance(model, bytes) else os.fspath(model)
            raise PosecoreError(f"{label}: not a model that onnxruntime can run ({_one_line(error)})") from error
        reason = _one_line(error)
    if may_fall_back and name != "cpu":
        return _create_with_fallback(model, "cpu", threads, may_fall_back=False)
    raise PosecoreError(f"--provider {name}: could not start ({reason}); use --provider cpu, or see posecore doctor")


def _create(model: str | os.PathLike[str] | bytes, name: str, threads: int) -> InferenceSession:
    import onnxruntime

    if name == "cuda" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()  # CUDA's libraries from pip's nvidia-* packages, where they are installed
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.log_severity_level = 3
    if name == "directml":  # DirectML's own two requirements
        options.enable_mem_pattern = False
    source = model if isinstance(model, bytes) else os.fspath(model)
    with warnings.catch_warnings():
        # That a provider is not there is said by the caller, in one line.
        warnings.filterwarnings("ignore", message="Specified provider", category=UserWarning)
        return onnxruntime.InferenceSession(source, options, providers=execution_providers(name))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
