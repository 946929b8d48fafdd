"""The names of the archive's ZIPs: the active one, which bears the configured name, and the dated ones before it.

A ZIP that has become too large or too old is renamed, `llm_training_dataset.zip` to `llm_training_dataset-20261121.zip`
(`-20261121-2.zip` when that name is taken), and the next chunk begins a new one. So what an append has to copy stays
bounded, a dated ZIP is never appended to, and the usual name always leads to what came last.
"""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from capture_app.files import fsync_directory


class _Dated(NamedTuple):
    """A name that a ZIP was rolled over to. They sort as they came to be."""

    day: str  # YYYYmmdd
    number: int  # on that day, from 1
    path: Path


def archive_zips(zip_path: Path) -> list[Path]:
    """The ZIPs of the archive whose active ZIP is, or will be, `zip_path`; the oldest first.

    The dated ones are beside the file itself, wherever a link to it may be.
    """
    zip_path = zip_path.resolve()
    active = [zip_path] if zip_path.exists() else []
    return dated_zips(zip_path) + active


def dated_zips(zip_path: Path) -> list[Path]:
    """The ZIPs that were rolled over, the oldest first."""
    # A link that leads nowhere is told by whoever opens it: a disk that is not mounted must not look like no ZIP.
    return [dated.path for dated in _dated(zip_path.resolve()) if dated.path.is_file() or dated.path.is_symlink()]


def is_name_in_set(name: str, active: str) -> bool:
    """Whether `name` is the name `active` of an active ZIP, or that of one of its dated ones."""
    return name == active or _pattern(Path(active)).fullmatch(name) is not None


def _dated(zip_path: Path) -> list[_Dated]:
    """Whatever bears a dated name, be it a ZIP or not."""
    if not zip_path.parent.is_dir():
        return []
    pattern = _pattern(zip_path)
    found = ((pattern.fullmatch(path.name), path) for path in zip_path.parent.iterdir())
    return sorted(_Dated(matched[1], int(matched[2] or 1), path) for matched, path in found if matched)


def _pattern(zip_path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(zip_path.stem), re.escape(zip_path.suffix)
    return re.compile(rf"{stem}-(\d{{8}})(?:-(\d{{1,9}}))?{suffix}", re.ASCII)


def free_dated_name(zip_path: Path, moment: datetime) -> Path:
    """A name of the moment's day, in UTC, behind those that the day has: for a ZIP that comes back."""
    day = f"{moment.astimezone(UTC):%Y%m%d}"
    number = max((dated.number for dated in _dated(zip_path) if dated.day == day), default=0) + 1
    return _dated_path(zip_path, day, number)


def _dated_path(zip_path: Path, day: str, number: int) -> Path:
    ending = f"-{number}" if number > 1 else ""
    return zip_path.with_name(f"{zip_path.stem}-{day}{ending}{zip_path.suffix}")


def roll_over(zip_path: Path, now: datetime) -> Path:
    """Give the active ZIP the name of the day, in UTC; the next append begins a new one. The new name.

    It sorts behind all that were given before, also when the clock has stepped back: readers take the oldest ZIP first.
    """
    today = f"{now.astimezone(UTC):%Y%m%d}"
    before = _dated(zip_path)
    day = max([today, *(dated.day for dated in before)])
    number = max((dated.number for dated in before if dated.day == day), default=0) + 1
    dated = _dated_path(zip_path, day, number)
    zip_path.rename(dated)
    fsync_directory(zip_path.parent)
    return dated
