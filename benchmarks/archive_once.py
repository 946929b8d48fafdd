"""python -m benchmarks.archive_once WAY: archive the configured project's live database, ours or the naive way.

Prints JSON: `seconds`, of which `lock` with the live database's lock held, and the `bytes` of the ZIP.
"""

import json
import sys
from pathlib import Path

import django

django.setup()

from benchmarks import naive  # noqa: E402  (it reads Django's settings)
from benchmarks.measure import timed  # noqa: E402  (as above)
from capture_app.conf import capture_settings  # noqa: E402  (as above)
from training_archive.conf import archive_settings  # noqa: E402  (as above)
from training_archive.services import archive_training_data  # noqa: E402  (as above)

OURS, NAIVE = "archive_training_data", "naive"


def _archive(way: str, zip_path: Path) -> float:
    """Seconds for which the lock was held."""
    if way == NAIVE:
        return naive.archive(capture_settings().live_database, zip_path)
    held = archive_training_data().rotation_lock_seconds
    assert held is not None, "there was nothing to archive"
    return held


def _main(way: str) -> None:
    zip_path = archive_settings().zip_path
    with timed() as watch:
        held = _archive(way, zip_path)
    json.dump({"seconds": watch.seconds, "lock": held, "bytes": zip_path.stat().st_size}, sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])
