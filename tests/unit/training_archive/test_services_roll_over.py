"""Archive runs that roll the ZIP over, and what sees the set as one archive."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from capture_app.models import ExampleIndex
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import change_sidecar, files_below, row, write_database
from training_archive.dated_names import archive_zips, dated_zips, roll_over
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.reader import iter_chunks, iter_examples, load_into
from training_archive.services import archive as archive_module
from training_archive.services import (
    archive_status,
    archive_training_data,
    merge_chunks,
    rebuild_example_index,
    verify_archive,
)

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
TODAY = f"{datetime.now(UTC):%Y%m%d}"


@pytest.fixture
def roll(settings: Any) -> Callable[..., None]:
    """Change keys of TRAINING_ARCHIVE."""

    def configure(**keys: Any) -> None:
        settings.TRAINING_ARCHIVE = keys

    return configure


@pytest.fixture
def three_zips(roll: Callable[..., None], capture_calls: Calls) -> list[str]:
    """An archive of three ZIPs with a chunk each; the ids of its examples."""
    roll(ROLL_BYTES=1)
    ids: list[str] = []
    for count in (1, 2, 3):
        ids += capture_calls(count)
        archive_training_data()
    return ids


def ids_in(zip_path: Path) -> list[str]:
    return [example["id"] for example in iter_examples(zip_path, columns=["id"])]


def names(zip_path: Path) -> list[str]:
    return [path.name for path in archive_zips(zip_path)]


# --- When ------------------------------------------------------------------------------------------------------------


def test_a_zip_that_is_large_enough_is_rolled_over(three_zips: list[str], zip_path: Path) -> None:
    dated = ["llm_training_dataset-YYYYmmdd.zip", "llm_training_dataset-YYYYmmdd-2.zip"]

    assert names(zip_path) == [*(name.replace("YYYYmmdd", TODAY) for name in dated), zip_path.name]


def test_a_chunk_larger_than_the_limit_has_a_zip_of_its_own(three_zips: list[str], zip_path: Path) -> None:
    assert [status.chunks for status in archive_status().zips] == [1, 1, 1]


def test_a_zip_is_not_rolled_over_while_the_chunk_still_fits(
    roll: Callable[..., None], capture_calls: Calls, zip_path: Path
) -> None:
    capture_calls(1)
    [first] = archive_training_data().chunks
    roll(ROLL_BYTES=zip_path.stat().st_size + 2 * first.size)
    capture_calls(1)
    archive_training_data()

    assert names(zip_path) == [zip_path.name]


def test_a_zip_that_is_too_old_is_rolled_over(
    roll: Callable[..., None], capture_calls: Calls, two_chunks: Path
) -> None:
    change_sidecar(two_chunks, {"created_at": (datetime.now(UTC) - timedelta(days=31)).isoformat()})
    roll(ROLL_DAYS=30)
    capture_calls(1)
    archive_training_data()

    assert [status.chunks for status in archive_status().zips] == [2, 1]


def test_a_young_zip_is_appended_to(roll: Callable[..., None], capture_calls: Calls, two_chunks: Path) -> None:
    roll(ROLL_DAYS=30)
    capture_calls(1)
    archive_training_data()

    assert [status.chunks for status in archive_status().zips] == [3]


def test_when_nothing_is_new_nothing_is_rolled_over(roll: Callable[..., None], two_chunks: Path) -> None:
    roll(ROLL_BYTES=1)

    archive_training_data()

    assert names(two_chunks) == [two_chunks.name]


def test_two_sealed_files_in_one_run_come_in_order(
    roll: Callable[..., None], capture_calls: Calls, interrupted_run: Callable[..., None], zip_path: Path
) -> None:
    roll(ROLL_BYTES=1)
    ids = capture_calls(1)
    interrupted_run()
    ids += capture_calls(1)
    archive_training_data()

    assert len(names(zip_path)) == 2
    assert ids_in(zip_path) == ids


# --- One archive -----------------------------------------------------------------------------------------------------


def test_readers_see_the_set_as_one_archive(three_zips: list[str], zip_path: Path) -> None:
    with duckdb.connect() as connection:
        assert load_into(connection, zip_path) == 6

    assert sorted(ids_in(zip_path)) == sorted(three_zips)
    assert [chunk.rows for chunk in iter_chunks()] == [1, 2, 3]


def test_the_status_tells_of_each_zip_and_of_all(three_zips: list[str], zip_path: Path) -> None:
    status = archive_status()

    assert [(found.name, found.rows) for found in status.zips] == list(zip(names(zip_path), (1, 2, 3), strict=True))
    assert (status.rows, status.chunks) == (6, 3)
    assert status.zip_size == sum(path.stat().st_size for path in archive_zips(zip_path))


def test_verifying_reads_every_zip(three_zips: list[str], zip_path: Path) -> None:
    report = verify_archive()

    assert (report.zips, len(report.chunks), report.problems) == (names(zip_path), 3, [])


@pytest.mark.parametrize("content", [b"", b"no ZIP at all"])
def test_verifying_names_the_damaged_one_and_reads_the_others(
    three_zips: list[str], zip_path: Path, content: bytes
) -> None:
    damaged = dated_zips(zip_path)[0]
    damaged.write_bytes(content)

    report = verify_archive()

    assert [problem.zip_name for problem in report.problems] == [damaged.name]
    assert len(report.chunks) == 2


def test_the_status_names_the_damaged_one_and_counts_the_others(three_zips: list[str], zip_path: Path) -> None:
    damaged = dated_zips(zip_path)[0]
    damaged.write_bytes(b"")

    status = archive_status()

    assert (status.rows, damaged.name in status.problem) == (5, True)


def test_the_records_say_in_which_zip_a_chunk_is(three_zips: list[str], zip_path: Path) -> None:
    known = ArchivedChunk.objects.order_by("name").values_list("zip_name", flat=True)

    assert list(known) == names(zip_path)


def test_the_index_leads_to_the_chunk_of_every_example(three_zips: list[str], zip_path: Path) -> None:
    where = dict(ArchivedGeneration.objects.values_list("generation", "chunk"))
    rows = {chunk.chunk: chunk.rows for chunk in iter_chunks(zip_path)}
    found = [where[generation] for generation in ExampleIndex.objects.values_list("generation", flat=True)]

    assert {chunk: found.count(chunk) for chunk in rows} == rows


def test_a_lost_index_comes_back_from_all_zips(three_zips: list[str]) -> None:
    before = list(ExampleIndex.objects.order_by("id").values())
    records = list(ArchivedChunk.objects.order_by("name").values())
    ExampleIndex.objects.all().delete()
    ArchivedChunk.objects.all().delete()

    assert rebuild_example_index() == 6

    assert list(ExampleIndex.objects.order_by("id").values()) == before
    assert list(ArchivedChunk.objects.order_by("name").values()) == records


def test_of_an_id_in_two_zips_the_older_one_wins(roll: Callable[..., None], zip_path: Path, tmp_path: Path) -> None:
    roll(ROLL_BYTES=1)
    for number, answer in enumerate(("first", "second")):
        database = write_database(tmp_path / f"{number}" / "other.duckdb", [row("a", response_strong=answer)])
        archive_training_data(db_path=database)

    assert len(names(zip_path)) == 2
    assert [example["response_strong"] for example in iter_examples(zip_path)] == ["first"]


def test_after_the_clock_stepped_back_the_older_one_still_wins(zip_path: Path, tmp_path: Path) -> None:
    for number, day in enumerate((20, 10)):
        database = write_database(tmp_path / f"{number}" / "other.duckdb", [row("a", response_strong=f"{number}")])
        archive_training_data(db_path=database)
        roll_over(zip_path, datetime(2026, 11, day, tzinfo=UTC))

    assert [example["response_strong"] for example in iter_examples(zip_path)] == ["0"]


# --- Killed ----------------------------------------------------------------------------------------------------------


def test_a_run_killed_right_after_the_roll_over_is_finished_by_the_next(
    roll: Callable[..., None], capture_calls: Calls, monkeypatch: pytest.MonkeyPatch, zip_path: Path
) -> None:
    ids = capture_calls(1)
    archive_training_data()
    roll(ROLL_BYTES=1)
    ids += capture_calls(2)

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(archive_module, "append_chunk", die)
        with suppress(Killed):
            archive_training_data()
    assert not zip_path.exists()
    assert ids_in(zip_path) == ids[:1]

    archive_training_data()

    assert ids_in(zip_path) == ids
    assert set(ArchivedChunk.objects.values_list("zip_name", flat=True)) == set(names(zip_path))


def test_a_chunk_whose_zip_was_rolled_over_before_its_sealed_file_went_is_not_stored_again(
    roll: Callable[..., None], capture_calls: Calls, interrupted_run: Callable[..., None], zip_path: Path
) -> None:
    capture_calls(2)
    interrupted_run()
    [sealed] = (zip_path.parent / "sealed").glob("*.duckdb")
    content = sealed.read_bytes()
    archive_training_data()
    sealed.write_bytes(content)
    roll_over(zip_path, datetime.now(UTC))
    roll(ROLL_BYTES=1)
    capture_calls(1)

    archive_training_data()

    assert [chunk.rows for chunk in iter_chunks(zip_path)] == [2, 1]
    assert not list((zip_path.parent / "sealed").glob("*.duckdb"))


def test_all_zips_keep_to_themselves_after_many_runs(three_zips: list[str], zip_path: Path) -> None:
    merge_chunks(this_month=True)

    left = {Path(name).name for name in files_below(zip_path.parent)}
    assert {name for name in left if ".zip" in name and not name.endswith(".lock")} == set(names(zip_path))
