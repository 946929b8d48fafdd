"""The archive as a set of ZIPs."""

import errno
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.material import (
    NAME,
    NEW,
    NEW_NAME,
    OLD,
    OLD_NAME,
    append_bytes,
    change_sidecar,
    row,
    write_archive,
)
from training_archive import archive_set
from training_archive.archive_set import open_archive, read_sidecars
from training_archive.dated_names import archive_zips, dated_zips, is_name_in_set, roll_over
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.reader import iter_chunks, iter_examples
from training_archive.zip_archive import list_chunks, open_zip

NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def add_zip(path: Path, *, chunk: str = NAME, content: bytes = b"examples") -> Path:
    append_bytes(path, content, name=chunk)
    return path


def opened_chunks(zip_path: Path) -> list[str]:
    with open_archive(zip_path) as archives:
        return [member.name for archive in archives for member in list_chunks(archive)]


# --- Which ZIPs belong to it -----------------------------------------------------------------------------------------


def test_the_dated_zips_come_before_the_active_one_in_the_order_of_days_and_numbers(tmp_path: Path) -> None:
    expected = ["a-20251231.zip", "a-20260101.zip", "a-20260101-2.zip", "a-20260101-10.zip", "a-20260102.zip", "a.zip"]
    for name in sorted(expected):
        (tmp_path / name).touch()

    assert names(archive_zips(tmp_path / "a.zip")) == expected


@pytest.mark.parametrize(
    "name",
    [
        "a-2026011.zip",
        "a-202601011.zip",
        "a-20260101-.zip",
        "a-20260101-2-3.zip",
        "a-20260101.zip.part",
        ".a-20260101.zip.appending",
        "ba-20260101.zip",
        "ab-20260101.zip",
        "a-\u0662\u0660\u0662\u0666\u0660\u0661\u0660\u0661.zip",
        "A-20260101.zip",
        "a-20260101-1234567890.zip",
        "a-20260101_zip",
        "a-20260101.zip\n",
    ],
)
def test_what_only_looks_like_a_dated_zip_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()

    assert archive_zips(tmp_path / "a.zip") == []
    assert not is_name_in_set(name, "a.zip")


def test_a_folder_with_a_dated_name_is_no_zip(tmp_path: Path) -> None:
    (tmp_path / "a-20260101.zip").mkdir()

    assert dated_zips(tmp_path / "a.zip") == []


@pytest.mark.parametrize("name", ["a+(b|c)[x].*.zip", "a$^", "a.b.c.zip", ".zip", "größe.zip", "a\\d{8}.zip", "-.zip"])
def test_every_name_of_a_zip_will_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    chunks = [OLD_NAME, NEW_NAME, f"{NAME}-3"]
    for chunk in chunks[:2]:
        add_zip(path, chunk=chunk)
        roll_over(path, NOW)
    add_zip(path, chunk=chunks[2])

    assert opened_chunks(path) == chunks
    assert all(is_name_in_set(found.name, name) for found in archive_zips(path))


def test_a_folder_that_is_not_there_holds_no_zips(tmp_path: Path) -> None:
    assert archive_zips(tmp_path / "missing" / "a.zip") == []


def test_a_link_to_the_archive_leads_to_all_its_zips(tmp_path: Path) -> None:
    real = tmp_path / "big disk" / "real.zip"
    real.parent.mkdir()
    write_archive(real, [row("a")])
    link = tmp_path / "archive.zip"
    link.symlink_to(real)
    roll_over(real, NOW)

    assert [example["id"] for example in iter_examples(link)] == ["a"]
    write_archive(real.with_name("new.zip"), [row("b")])
    real.with_name("new.zip").rename(real)
    assert [example["id"] for example in iter_examples(link)] == ["a", "b"]


def test_a_dated_zip_that_is_a_link_is_read_where_it_leads(tmp_path: Path) -> None:
    moved = add_zip(tmp_path / "elsewhere.zip", chunk=OLD_NAME)
    (tmp_path / "a-20260101.zip").symlink_to(moved)
    add_zip(tmp_path / "a.zip", chunk=NEW_NAME)

    assert opened_chunks(tmp_path / "a.zip") == [OLD_NAME, NEW_NAME]


def test_a_dated_zip_whose_disk_is_not_mounted_is_an_error_and_not_overlooked(tmp_path: Path) -> None:
    (tmp_path / "a-20260101.zip").symlink_to(tmp_path / "not mounted" / "a.zip")
    add_zip(tmp_path / "a.zip")

    with pytest.raises(ArchiveError, match=r"a-20260101\.zip"), open_archive(tmp_path / "a.zip"):
        pass


# --- Rolling over ----------------------------------------------------------------------------------------------------


@pytest.fixture
def active(tmp_path: Path) -> Path:
    return tmp_path / "a.zip"


def roll(active: Path, now: datetime = NOW) -> str:
    active.write_bytes(b"a ZIP")
    return roll_over(active, now).name


def test_a_zip_gets_the_day_in_utc(active: Path) -> None:
    evening_in_chicago = datetime(2026, 11, 20, 23, tzinfo=timezone(timedelta(hours=-6)))

    assert roll(active, evening_in_chicago) == "a-20261121.zip"
    assert not active.exists()


def test_further_ones_of_a_day_are_numbered(active: Path) -> None:
    rolled = [roll(active) for _ in range(11)]

    assert rolled == ["a-20261121.zip", *(f"a-20261121-{number}.zip" for number in range(2, 12))]
    assert names(dated_zips(active)) == rolled


def test_a_number_that_was_pruned_is_not_given_again(active: Path) -> None:
    for _ in range(3):
        roll(active)
    active.with_name("a-20261121-2.zip").unlink()

    assert roll(active) == "a-20261121-4.zip"


def test_after_the_clock_stepped_back_the_order_is_still_that_of_time(active: Path) -> None:
    rolled = [roll(active, NOW + timedelta(days=days)) for days in (0, -1, -400, 1)]

    assert rolled == ["a-20261121.zip", "a-20261121-2.zip", "a-20261121-3.zip", "a-20261122.zip"]
    assert names(dated_zips(active)) == rolled


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["folder", "dead link"])
def test_a_name_that_is_taken_by_something_else_is_left_alone(active: Path, make: Callable[[Path], None]) -> None:
    make(active.with_name("a-20261121.zip"))

    assert roll(active) == "a-20261121-2.zip"
    assert active.with_name("a-20261121.zip").is_symlink() or active.with_name("a-20261121.zip").is_dir()


# --- Opening them all ------------------------------------------------------------------------------------------------


def test_without_any_zip_it_is_said_how_to_make_one(active: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no archive at"), open_archive(active):
        pass


def test_the_set_is_open_as_it_was_whatever_happens_to_it_meanwhile(active: Path) -> None:
    add_zip(active, chunk=OLD_NAME, content=OLD)
    with open_archive(active) as archives:
        dated = roll_over(active, NOW)
        add_zip(active, chunk=NEW_NAME, content=NEW)
        dated.unlink()

        [archive] = archives
        assert archive.read(f"{OLD_NAME}.duckdb") == OLD


def test_all_files_are_closed_at_the_end(active: Path) -> None:
    add_zip(active)
    roll_over(active, NOW)
    add_zip(active, chunk=NEW_NAME)

    with open_archive(active) as archives:
        pass

    assert [archive.fp for archive in archives] == [None, None]


@pytest.mark.parametrize("content", [b"", b"no ZIP at all", b"PK\x05\x06"])
def test_a_damaged_dated_zip_is_named(active: Path, content: bytes) -> None:
    add_zip(active)
    active.with_name("a-20260101.zip").write_bytes(content)

    with pytest.raises(ArchiveDamaged, match=r"a-20260101\.zip is not readable as a ZIP"), open_archive(active):
        pass


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Path], Any]], None]:
    """Do something just before each ZIP is opened by open_archive."""

    def arrange(action: Callable[[Path], Any]) -> None:
        @contextmanager
        def disturbed(path: Path) -> Iterator[Any]:
            action(path)
            with open_zip(path) as archive:
                yield archive

        monkeypatch.setattr(archive_set, "open_zip", disturbed)

    return arrange


def test_a_roll_over_between_listing_and_opening_hides_nothing(
    active: Path, meanwhile: Callable[[Callable[[Path], Any]], None]
) -> None:
    add_zip(active, chunk=OLD_NAME)
    times = iter(["once"])

    def roll_and_append(path: Path) -> None:
        if next(times, None):
            roll_over(active, NOW)
            add_zip(active, chunk=NEW_NAME)

    meanwhile(roll_and_append)

    assert opened_chunks(active) == [OLD_NAME, NEW_NAME]


def test_a_roll_over_that_is_not_followed_by_an_append_yet_hides_nothing(
    active: Path, meanwhile: Callable[[Callable[[Path], Any]], None]
) -> None:
    add_zip(active, chunk=OLD_NAME)
    meanwhile(lambda path: roll_over(active, NOW) if active.exists() else None)

    assert opened_chunks(active) == [OLD_NAME]


def test_a_set_that_never_holds_still_is_refused_and_never_read_in_part(
    active: Path, meanwhile: Callable[[Callable[[Path], Any]], None]
) -> None:
    add_zip(active)

    def roll_and_append(path: Path) -> None:
        if path == active:
            roll_over(active, NOW)
            add_zip(active)

    meanwhile(roll_and_append)

    with pytest.raises(ArchiveError, match=r"again and again.*Nothing was changed"), open_archive(active):
        pass


def test_a_zip_that_is_pruned_between_listing_and_opening_is_no_error(
    active: Path, meanwhile: Callable[[Callable[[Path], Any]], None]
) -> None:
    add_zip(active, chunk=OLD_NAME)
    dated = roll_over(active, NOW)
    add_zip(active, chunk=NEW_NAME)
    meanwhile(lambda path: dated.unlink(missing_ok=True))

    assert opened_chunks(active) == [NEW_NAME]


@contextmanager
def few_files(count: int) -> Iterator[None]:
    """Meanwhile this process may have no file descriptor above `count`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def fill(active: Path, count: int) -> None:
    """So many dated ZIPs, all of the active one's content."""
    whole = active.read_bytes()
    for number in range(1, count + 1):
        active.with_name(f"a-20260101-{number}.zip").write_bytes(whole)


@pytest.mark.parametrize("limit", range(60, 72))
def test_more_zips_than_files_may_be_open_are_an_error_that_says_what_to_do(active: Path, limit: int) -> None:
    fill(add_zip(active), 69)

    with (
        few_files(limit),
        pytest.raises(ArchiveError, match=r"has 70 ZIPs, more files than may be open.*ulimit -n"),
        open_archive(active),
    ):
        pass


def test_five_hundred_zips_are_read_as_one(active: Path) -> None:
    write_archive(active, [row("a")])
    fill(active, 499)

    with few_files(1024):
        assert sum(1 for _ in iter_chunks(active)) == 500
        assert [example["id"] for example in iter_examples(active, columns=["id"])] == ["a"]


def test_an_error_that_is_the_readers_own_passes(active: Path) -> None:
    add_zip(active)

    with pytest.raises(OSError, match="mine") as raised, open_archive(active):
        raise OSError(errno.EMFILE, "mine")

    assert not isinstance(raised.value, ArchiveError)


# --- Sidecars --------------------------------------------------------------------------------------------------------


def test_a_missing_zip_has_no_sidecars(active: Path) -> None:
    assert read_sidecars(active) == []


def test_a_sidecar_that_speaks_of_another_chunk_is_not_believed(active: Path) -> None:
    append_bytes(active, OLD, name=OLD_NAME)
    append_bytes(active, NEW, name=NEW_NAME)
    change_sidecar(active, {"chunk": NEW_NAME})

    with pytest.raises(ArchiveDamaged, match="its sidecar is another chunk's"):
        read_sidecars(active)
