"""What nothing names is removed once it is old, and nothing else is."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from training_files.conf import training_files_settings
from training_files.exceptions import PartDamaged, SweptAway
from training_files.models import LooseFile
from training_files.storage import keep, let_go, note_loose, open_files, read_whole, sweep_loose_files, write_loose

pytestmark = pytest.mark.django_db

NAME = "parts/00/one.json"


def there() -> list[str]:
    folder = training_files_settings().folder
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def old() -> None:
    """Whatever is loose has been so for two days."""
    for each in LooseFile.objects.all():
        LooseFile.objects.filter(pk=each.pk).update(noted_at=each.noted_at - timedelta(days=2))


def test_what_was_just_written_is_left_to_who_wrote_it() -> None:
    write_loose(NAME, b"text")

    assert sweep_loose_files() == 0

    keep([NAME])
    old()
    assert sweep_loose_files() == 0
    assert there() == ["one.json"]


def test_what_people_said_is_not_everybodys_on_this_machine() -> None:
    write_loose(NAME, b"text")

    path = training_files_settings().folder / NAME
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_what_was_let_go_is_removed_once_it_is_old() -> None:
    write_loose(NAME, b"text")
    keep([NAME])
    let_go([NAME])
    assert sweep_loose_files() == 0

    old()

    assert sweep_loose_files() == 1
    assert (there(), LooseFile.objects.count()) == ([], 0)


def test_nothing_is_swept_while_a_link_may_lead_to_it(settings: Any) -> None:
    settings.TRAINING_FILES = {"ORPHAN_HOURS": 1, "URL_SECONDS": 3 * 24 * 3600}
    write_loose(NAME, b"text")

    old()

    assert sweep_loose_files() == 0


def test_what_a_killed_writer_left_half_written_goes_with_it() -> None:
    note_loose(NAME)
    folder = training_files_settings().folder / Path(NAME).parent
    folder.mkdir(parents=True)
    (folder / ".one.json.123.tmp").write_bytes(b"te")
    (folder / ".other.json.123.tmp").write_bytes(b"te")

    old()
    sweep_loose_files()

    assert there() == [".other.json.123.tmp"]


def test_what_was_swept_is_named_by_nobody() -> None:
    write_loose(NAME, b"text")
    sweep_loose_files(older_than=timedelta(0))

    with pytest.raises(SweptAway), transaction.atomic():
        keep([NAME])


def test_what_is_written_after_it_was_swept_is_swept_again() -> None:
    note_loose(NAME)
    sweep_loose_files(older_than=timedelta(0))
    open_files().put(NAME, b"text")  # by a writer that was just between the two

    sweep_loose_files()
    assert there() == []

    old()
    sweep_loose_files()
    assert not LooseFile.objects.exists()


def test_a_file_that_is_not_what_was_written_is_not_read() -> None:
    sha256 = write_loose(NAME, b"text")
    assert read_whole(NAME, sha256) == b"text"

    open_files().put(NAME, b"test")

    with pytest.raises(PartDamaged):
        read_whole(NAME, sha256)
