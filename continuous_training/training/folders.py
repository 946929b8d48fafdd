"""The folder of each run: `data/`, its own copy of what it is trained on, and whatever its trainer keeps there.

The copy is what was checked, so nothing that happens to the files meanwhile changes a run, nor a resumed one. It holds
what people wrote, and goes when the run is over; `pairs.sha256` stays, the hashes of its lines, by which `forget` tells
what the model was trained on.
"""

import shutil
import time
from bisect import bisect_left
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from capture_app.files import fsync_file
from continuous_training.conf import loop_settings
from continuous_training.models import TrainingRun
from continuous_training.training.devices import ACTIVE

DIGEST: Final = 32  # bytes of a SHA-256

_DATA: Final = "data"
_PAIRS: Final = "pairs.sha256"
_STRAY_AFTER: Final = 24 * 3600  # seconds; a folder that no row names, because a request was killed


def run_folder(run_id: str) -> Path:
    return loop_settings().runs_folder / run_id


def data_folder(folder: Path) -> Path:
    return folder / _DATA


def data_files(folder: Path) -> list[Path]:
    """The run's copies, in the order of what they are copies of."""
    return sorted(data_folder(folder).glob("*.jsonl"))


def remove_data(run_id: str) -> None:
    """Again, if need be: it may be gone."""
    shutil.rmtree(data_folder(run_folder(run_id)), ignore_errors=True)


def write_pairs(folder: Path, digests: Iterable[bytes]) -> None:
    """Sorted, each once."""
    path = folder / _PAIRS
    path.write_bytes(b"".join(sorted(set(digests))))
    fsync_file(path)


def read_pairs(run_id: str) -> bytes | None:
    """The hashes of the lines that the run was given, one behind the other; None when they are gone with its folder."""
    try:
        return (run_folder(run_id) / _PAIRS).read_bytes()
    except OSError:
        return None


def has_pair(pairs: bytes, digest: bytes) -> bool:
    """Whether it is among those of `read_pairs`."""

    def at(number: int) -> bytes:
        return pairs[number * DIGEST : (number + 1) * DIGEST]

    count = len(pairs) // DIGEST
    place = bisect_left(range(count), digest, key=at)
    return place < count and at(place) == digest


def sweep() -> None:
    """Remove what kills left: the data of runs that are over, and the folders of requests without a row."""
    root = loop_settings().runs_folder
    there = [each for each in root.iterdir() if data_folder(each).is_dir()] if root.is_dir() else []
    states = dict(TrainingRun.objects.filter(pk__in=[each.name for each in there]).values_list("pk", "state"))
    for folder in there:
        if folder.name not in states:
            _remove_stray(folder)
        elif states[folder.name] not in ACTIVE:
            remove_data(folder.name)


def _remove_stray(folder: Path) -> None:
    """Unless it is young: its row may be about to be written."""
    if time.time() - folder.stat().st_mtime > _STRAY_AFTER:
        shutil.rmtree(folder, ignore_errors=True)
