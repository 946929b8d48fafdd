"""SIGKILL at every step of an export of pairs, and of an erasure: files and rows always say the same in the end."""

import json
from pathlib import Path

import pytest

from tests.faults.conftest import Site


@pytest.mark.parametrize("verb", ["export", "erase"])
def test_whatever_step_is_the_last_one_files_and_rows_agree(tmp_path: Path, verb: str) -> None:
    done = Site(tmp_path).run("-m", "tests.faults.export_finetune_kills", verb)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("wrong") == "", done.stderr
    assert found.keys() == {"steps", "old", "new"}, found
    assert min(found["old"], found["new"]) > 1, found  # it was killed before and after it was decided
