"""The harness itself."""

from __future__ import annotations

import pytest

from tests.blender import harness


def test_a_script_runs_and_tells(run, blender: str) -> None:
    result = run("check_harness.py", "a word with spaces")
    assert result["word"] == "a word with spaces"
    assert result["version"].startswith(harness.version(blender).rsplit(".", 1)[0])
    assert result["rigify"] > 600 and 100 < result["metarig"] < 250
    assert result["T"] == [21, 0.69, 0.0, 1.42]
    count, x, _, z = result["A"]
    assert (
        count == 21
        and x == pytest.approx(0.17 + 0.52 * 0.7071, abs=0.02)
        and z == pytest.approx(1.42 - 0.3677, abs=2e-3)
    )
    assert result["world"] == pytest.approx(result["A"][1:], abs=2e-3), "the same place, in other units and axes"
    assert max(map(abs, result["local"])) > 90
    assert result["modes"] == 8
    assert result["walk"][0] == 60 and -0.1 < result["walk"][1] < 0.2


def test_a_failure_is_told(blender: str, tmp_path) -> None:
    script = tmp_path / "fails.py"
    script.write_text("raise SystemExit('no such luck')\n", encoding="utf-8")
    with pytest.raises(harness.BlenderFailed, match="no such luck"):
        harness.run_in_blender(blender, script)
    script.write_text("import time; time.sleep(60)\n", encoding="utf-8")
    with pytest.raises(harness.BlenderFailed, match="not done after 1 s"):
        harness.run_in_blender(blender, script, timeout=1)
