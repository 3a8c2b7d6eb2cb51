"""Provider names, and what is said when one is missing."""

from __future__ import annotations

import pytest

from posecore.errors import PosecoreError
from posecore.runtime import available_providers, providers, resolve_provider


def _pretend(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(providers, "_present", lambda: [providers.PROVIDERS[name] for name in names])


def test_this_onnxruntime_has_a_cpu() -> None:
    assert "cpu" in available_providers()
    assert resolve_provider("cpu") == "cpu"


@pytest.mark.parametrize(
    ("present", "chosen"),
    [(["cpu"], "cpu"), (["cpu", "cuda"], "cuda"), (["cpu", "directml"], "directml"), (["cpu", "coreml"], "cpu")],
)
def test_auto_takes_the_fastest_that_is_safe(monkeypatch: pytest.MonkeyPatch, present: list[str], chosen: str) -> None:
    _pretend(monkeypatch, *present)
    assert resolve_provider("auto") == chosen


def test_a_provider_asked_for_by_name_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _pretend(monkeypatch, "coreml", "cpu")
    assert resolve_provider("coreml") == "coreml"
    assert providers.execution_providers("coreml") == ["CoreMLExecutionProvider", "CPUExecutionProvider"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("cuda", r"posecore\[gpu\]"), ("directml", "onnxruntime-directml"), ("coreml", "macOS")],
)
def test_a_missing_provider_says_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str, remedy: str) -> None:
    _pretend(monkeypatch, "cpu")
    with pytest.raises(PosecoreError, match=remedy) as caught:
        resolve_provider(name)
    assert "\n" not in str(caught.value)


def test_an_unknown_provider_lists_the_known_ones() -> None:
    with pytest.raises(PosecoreError, match="auto, cpu, cuda, directml, coreml"):
        resolve_provider("tpu")
