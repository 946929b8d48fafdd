"""Chunks are unpacked once, for all processes, and never outlive what they were unpacked from."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from capture_app.models import ExampleIndex
from console.example_page import chunk_cache
from console.example_page.chunk_cache import drop_stale_chunks, unpacked_chunk
from console.example_page.finding import find_example
from console.examples.full_text.search import Position, search_on
from tests.unit.console.example_page.conftest import Store
from training_archive.exceptions import ArchiveBusy
from training_archive.models import ArchivedChunk
from training_archive.services import archive_training_data, forget, merge_chunks, rebuild_example_index
from training_archive.zip_archive import extract_checked

pytestmark = pytest.mark.django_db(transaction=True)  # what is heard of at a commit needs one

_SECRET = "the words of somebody who wants to be forgotten"


@pytest.fixture
def rows(store: Store) -> list[ExampleIndex]:
    """Two examples in each of two chunks."""
    found = []
    for _ in range(2):
        found += [store(response_strong=_SECRET), store(response_strong="another answer")]
        archive_training_data()
    return found


def kept(data_dir: Path) -> dict[str, Path]:
    return {path.stem: path for path in (data_dir / "unpacked").glob("*.duckdb")}


def read(row: ExampleIndex) -> str:
    found = find_example(row)
    assert found.example, found.trouble
    return str(found.example["response_strong"])


def test_a_chunk_is_unpacked_once(rows: list[ExampleIndex], data_dir: Path, zip_path: Path) -> None:
    read(rows[0])
    zip_path.unlink()

    assert read(rows[0]) == _SECRET
    assert read(rows[1]) == "another answer"
    assert set(kept(data_dir)) == {ArchivedChunk.objects.earliest("name").sha256}


def test_nobody_else_may_read_what_is_unpacked(rows: list[ExampleIndex], data_dir: Path) -> None:
    read(rows[0])

    assert (data_dir / "unpacked").stat().st_mode & 0o077 == 0


def test_nothing_is_left_of_the_work(rows: list[ExampleIndex], data_dir: Path) -> None:
    read(rows[0])

    assert list((data_dir / "unpacked" / "tmp").iterdir()) == []


def test_what_was_forgotten_is_not_kept(rows: list[ExampleIndex], data_dir: Path) -> None:
    for row in rows:
        read(row)
    before = kept(data_dir)
    assert len(before) == 2

    forget(by="tester", ids=[rows[0].pk])

    assert len(kept(data_dir)) == 1
    assert read(rows[1]) == "another answer"
    assert set(kept(data_dir)) == set(ArchivedChunk.objects.values_list("sha256", flat=True))


@pytest.mark.parametrize("change", [lambda: merge_chunks(this_month=True), rebuild_example_index])
def test_only_chunks_of_the_archive_are_kept(change: Any, rows: list[ExampleIndex], data_dir: Path) -> None:
    for row in rows:
        read(row)

    change()

    assert set(kept(data_dir)) <= set(ArchivedChunk.objects.values_list("sha256", flat=True))
    assert [read(row) for row in rows] == [_SECRET, "another answer"] * 2


def test_a_chunk_that_a_killed_run_left_is_dropped_at_the_next_use(rows: list[ExampleIndex], data_dir: Path) -> None:
    read(rows[0])
    ArchivedChunk.objects.filter(name=ArchivedChunk.objects.earliest("name").name).update(sha256="0" * 64)

    read(rows[2])

    assert set(kept(data_dir)) == {ArchivedChunk.objects.latest("name").sha256}


def test_a_change_of_the_archive_while_a_chunk_is_unpacked_is_noticed(
    rows: list[ExampleIndex], data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def extract_slowly(*arguments: Any) -> Path:
        path = extract_checked(*arguments)
        monkeypatch.setattr(chunk_cache, "extract_checked", extract_checked)
        forget(by="tester", ids=[rows[0].pk])
        return path

    monkeypatch.setattr(chunk_cache, "extract_checked", extract_slowly)

    assert read(rows[1]) == "another answer"
    assert set(kept(data_dir)) <= set(ArchivedChunk.objects.values_list("sha256", flat=True))


def test_the_one_used_longest_ago_goes_when_there_is_no_room(
    rows: list[ExampleIndex], data_dir: Path, settings: Any
) -> None:
    first, second = ArchivedChunk.objects.order_by("name")
    settings.CONSOLE = {"CACHE_BYTES": first.size + second.size - 1}

    read(rows[0])
    read(rows[2])

    assert set(kept(data_dir)) == {second.sha256}


def test_using_a_chunk_keeps_it(rows: list[ExampleIndex], store: Store, data_dir: Path, settings: Any) -> None:
    rows.append(store())
    archive_training_data()
    first, second, third = ArchivedChunk.objects.order_by("name")
    settings.CONSOLE = {"CACHE_BYTES": first.size + second.size + third.size - 1}
    for row in (rows[0], rows[2]):
        read(row)
    for number, sha256 in enumerate((first.sha256, second.sha256)):
        os.utime(kept(data_dir)[sha256], (number, number))

    read(rows[0])
    read(rows[4])

    assert set(kept(data_dir)) == {first.sha256, third.sha256}


def test_a_search_through_all_chunks_does_not_push_out_what_people_look_at(
    rows: list[ExampleIndex], store: Store, data_dir: Path, settings: Any
) -> None:
    rows.append(store())
    archive_training_data()
    first, second, third = ArchivedChunk.objects.order_by("name")
    settings.CONSOLE = {"CACHE_BYTES": first.size + second.size + third.size - 1}
    read(rows[4])

    search_on("another answer", Position(), seconds=60)

    assert set(kept(data_dir)) == {third.sha256, first.sha256}


def test_a_chunk_larger_than_the_cache_is_read_all_the_same(
    rows: list[ExampleIndex], data_dir: Path, settings: Any
) -> None:
    settings.CONSOLE = {"CACHE_BYTES": 0}

    assert read(rows[0]) == _SECRET
    assert kept(data_dir) == {}
    assert list((data_dir / "unpacked" / "tmp").iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"no database" * 10_000])
def test_an_unpacked_file_that_was_damaged_is_unpacked_anew(
    damage: bytes, rows: list[ExampleIndex], data_dir: Path
) -> None:
    read(rows[0])
    [path] = kept(data_dir).values()
    path.write_bytes(damage)

    assert read(rows[0]) == _SECRET


def test_many_at_once_read_what_one_of_them_unpacked(rows: list[ExampleIndex], data_dir: Path) -> None:
    record = ArchivedChunk.objects.earliest("name")

    def use(_: int) -> int:
        with unpacked_chunk(record) as path:
            return path.stat().st_size

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(use, range(16))) == {record.size}
    assert set(kept(data_dir)) == {record.sha256}


def test_who_waits_too_long_is_told(rows: list[ExampleIndex], data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunk_cache, "_PATIENCE", 0.01)
    (data_dir / "unpacked").mkdir()

    with (
        FileLock(data_dir / "unpacked" / ".lock"),
        pytest.raises(ArchiveBusy, match="open the page again"),
        unpacked_chunk(ArchivedChunk.objects.earliest("name")),
    ):
        pass


@pytest.mark.parametrize("sha256", ["../../x", "", "A" * 64, "0" * 63])
def test_a_record_that_names_no_hash_names_no_file(sha256: str, rows: list[ExampleIndex], data_dir: Path) -> None:
    ArchivedChunk.objects.filter(name=ArchivedChunk.objects.earliest("name").name).update(sha256=sha256)

    assert read(rows[0]) == _SECRET


def test_with_nothing_unpacked_there_is_nothing_to_drop(data_dir: Path) -> None:
    drop_stale_chunks()

    assert not data_dir.exists()
