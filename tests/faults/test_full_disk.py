"""No space left on the device: while spooling, draining, compacting, appending. Calls go on, and nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.broken_disk import PRELOAD
from tests.faults.conftest import Site


@pytest.fixture
def on_full_disk(site: Site, needs: Callable[[str], str]) -> Callable[[str], Any]:
    """Run a role of tests.faults.broken_disk, and give what it prints."""
    needs("fiu-run")
    assert all(Path(library).exists() for library in PRELOAD.split())

    def run(role: str) -> Any:
        done = site.run("-m", "tests.faults.broken_disk", role, LD_PRELOAD=PRELOAD)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def archived_after(site: Site) -> list[str]:
    done = site.manage("archive_training_data")
    assert done.returncode == 0, done.stderr
    return sorted(site.archived_ids())


def test_calls_are_answered_while_the_spool_cannot_be_written(site: Site, on_full_disk: Callable[[str], Any]) -> None:
    seen = on_full_disk("spool")

    assert seen["meanwhile"] == [None] * 5
    assert seen["failures"] == {"OSError errno 28": 5}
    assert archived_after(site) == sorted(seen["kept"])


def test_a_drain_that_cannot_write_leaves_the_inbox_as_it_was(site: Site, on_full_disk: Callable[[str], Any]) -> None:
    seen = on_full_disk("drain")

    assert "No space left" in seen["error"]
    assert seen["inbox_rows"] == 200
    assert archived_after(site) == sorted(seen["kept"])


def test_archive_runs_that_fail_anywhere_lose_and_double_nothing(
    site: Site, on_full_disk: Callable[[str], Any]
) -> None:
    seen = on_full_disk("archive")

    assert seen["failures"]
    assert sorted(site.archived_ids()) == sorted(seen["kept"])
    assert site.manage("verify_archive").returncode == 0
