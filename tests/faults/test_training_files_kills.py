"""SIGKILL at every step of a change: the old version is whole, or the new one is, and a sweep removes the rest."""

import json
from pathlib import Path

import pytest

from tests.faults.conftest import Site


@pytest.mark.parametrize("verb", ["add", "remove", "delete"])
def test_whatever_step_is_the_last_one_version_is_whole(tmp_path: Path, verb: str) -> None:
    done = Site(tmp_path).run("-m", "tests.faults.training_files_kills", verb)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["left"] == [], done.stderr
    assert "torn" not in found, done.stderr
    assert found["old"] + found["new"] == found["steps"]
    assert min(found["old"], found["new"]) > 1, found  # it was killed before and after it was done
