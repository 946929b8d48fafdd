"""An export of pairs to a disk that is full, or read-only: no pair is lost, and none is written twice."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.faults.broken_disk import PRELOAD
from tests.faults.conftest import Site


def test_on_a_disk_that_is_full_now_and_then_every_pair_is_written_once(
    tmp_path: Path, needs: Callable[[str], str]
) -> None:
    needs("fiu-run")

    done = Site(tmp_path).run("-m", "tests.faults.export_finetune_disk", "full", LD_PRELOAD=PRELOAD)

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["failures"]
    assert [sorted(written) for written in seen["written"]] == [sorted(seen["said"])] * 2


def test_in_a_folder_that_is_read_only_nothing_is_half_done(tmp_path: Path) -> None:
    done = Site(tmp_path).run("-m", "tests.faults.export_finetune_disk", "read_only")

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen["failures"]) == 1
    assert "Permission denied" in seen["failures"][0]
    assert (seen["before"], seen["written"]) == ([], [seen["said"]] * 2)
