"""What several processes do to each other, and what a folder that cannot be written does to them."""

import json
import subprocess
import sys
from collections.abc import Callable

from tests.faults.conftest import ROOT, Site, stop

BUSY = 75
CAPTURE_50 = (
    "-c",
    "import django; django.setup(); from tests.faults.broken_disk import capture; assert all(capture(50))",
)


def test_two_archive_runs_at_once_store_every_example_once(site: Site) -> None:
    capture(site, calls=500)
    runs = [site.start("manage.py", "archive_training_data") for _ in range(2)]
    outputs = [run.communicate(timeout=120) for run in runs]

    assert all(run.returncode in (0, BUSY) for run in runs), outputs
    assert 0 in [run.returncode for run in runs]
    archived = site.archived_ids()
    assert len(archived) == len(set(archived)) == 500


def test_a_run_that_was_killed_leaves_no_lock_behind(site: Site) -> None:
    capture(site, calls=500)
    run = site.start("manage.py", "archive_training_data")
    stop([run])

    assert site.manage("archive_training_data").returncode == 0
    assert len(site.archived_ids()) == 500


def test_calls_are_answered_while_the_folder_cannot_be_written(site: Site) -> None:
    done = site.run("-m", "tests.faults.read_only_folder")

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["meanwhile"] == [None, None, None]
    assert seen["failures"] == {"PermissionError errno 13": 3}
    assert site.manage("archive_training_data").returncode == 0
    assert site.archived_ids() == [seen["kept"]]


def test_a_child_that_ends_without_cleaning_up_loses_nothing(site: Site) -> None:
    done = site.run("-m", "tests.faults.forks")

    assert done.returncode == 0, done.stderr
    assert site.manage("archive_training_data").returncode == 0
    assert sorted(site.archived_ids()) == sorted(done.stdout.split())


def capture(site: Site, *, calls: int) -> None:
    code = f"from tests.faults.broken_disk import capture; assert all(capture({calls}))"
    done = site.manage("shell", "--verbosity", "0", "--command", code)
    assert done.returncode == 0, done.stderr


def test_a_clock_that_steps_back_repeats_no_id_and_no_chunk(site: Site, needs: Callable[[str], str]) -> None:
    faketime = needs("faketime")
    for step in ("+0d", "-1d", "-2d", "+1d"):
        for arguments in (CAPTURE_50, ("manage.py", "archive_training_data")):
            done = subprocess.run(
                [faketime, "-f", step, sys.executable, *arguments],
                cwd=ROOT,
                env=site.environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr

    archived = site.archived_ids()
    assert len(archived) == len(set(archived)) == 200
    assert site.manage("verify_archive").returncode == 0
