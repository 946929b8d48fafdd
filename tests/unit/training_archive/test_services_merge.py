"""merge_chunks: many small chunks become one for each month, and nothing else changes."""

import zipfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from capture_app.conf import capture_settings
from capture_app.models import ExampleIndex
from tests.unit.training_archive.conftest import Killed
from tests.unit.training_archive.material import Row, files_below, members_of, rewrite_member, row, write_database
from training_archive.chunks import CHUNK_SUFFIX, PREFIX, Sidecar
from training_archive.compaction import compact
from training_archive.dated_names import archive_zips, roll_over
from training_archive.exceptions import ArchiveBusy, ArchiveDamaged, ArchiveError
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.reader import iter_chunks, iter_examples
from training_archive.services import (
    archive_status,
    archive_training_data,
    merge_chunks,
    rebuild_example_index,
    verify_archive,
)
from training_archive.services import merge as merge_module
from training_archive.zip_writer import append_chunk

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


def add_chunk(zip_path: Path, day: str, rows: Sequence[Row], *, name: str = "") -> Sidecar:
    """Append a real chunk that was archived on the day (2026-01-31), at five."""
    folder = zip_path.parent / "making chunks"
    name = name or f"{PREFIX}{day.replace('-', '')}T050000_000000Z"
    sealed = write_database(folder / "sealed" / (name + CHUNK_SUFFIX), rows)
    chunk = folder / (name + CHUNK_SUFFIX)
    sidecar = replace(compact(sealed, chunk, scratch=folder), created_at=f"{day}T05:00:00+00:00")
    append_chunk(zip_path, chunk, sidecar, compresslevel=1)
    for path in (sealed, chunk):
        path.unlink()
    return sidecar


@pytest.fixture
def two_months(zip_path: Path) -> Path:
    """Three chunks of January and two of February."""
    for day, ids in {
        "2026-01-02": "ab",
        "2026-01-03": "c",
        "2026-01-31": "d",
        "2026-02-01": "e",
        "2026-02-02": "fg",
    }.items():
        add_chunk(zip_path, day, [row(example_id) for example_id in ids])
    return zip_path


def ids_by_chunk(zip_path: Path) -> list[tuple[str, int]]:
    return [(sidecar.chunk.removeprefix(PREFIX), sidecar.rows) for sidecar in iter_chunks(zip_path)]


def examples(zip_path: Path) -> dict[str, dict[str, Any]]:
    found = list(iter_examples(zip_path))
    by_id = {example["id"]: example for example in found}
    assert len(by_id) == len(found)
    return by_id


# --- What becomes of the chunks --------------------------------------------------------------------------------------


def test_each_month_becomes_one_chunk(two_months: Path) -> None:
    merge_chunks()

    assert ids_by_chunk(two_months) == [
        ("20260102T050000_000000Z-20260131T050000_000000Z", 4),
        ("20260201T050000_000000Z-20260202T050000_000000Z", 3),
    ]


def test_no_example_changes(two_months: Path) -> None:
    before = examples(two_months)

    merge_chunks()

    assert examples(two_months) == before
    assert verify_archive().problems == []


def test_the_report_says_what_became_what(two_months: Path) -> None:
    sources = [sidecar.chunk for sidecar in iter_chunks(two_months)]
    size = two_months.stat().st_size

    report = merge_chunks()

    assert [(found.zip_name, found.sources) for found in report.merged] == [
        (two_months.name, sources[:3]),
        (two_months.name, sources[3:]),
    ]
    assert [found.chunk for found in report.merged] == list(iter_chunks(two_months))
    assert (report.bytes_before, report.bytes_after) == (size, two_months.stat().st_size)


def test_the_merged_sidecar_says_what_it_was_merged_from(two_months: Path) -> None:
    january = list(iter_chunks(two_months))[:3]

    merge_chunks()

    merged = next(iter_chunks(two_months))
    assert merged.merged_from == [
        {"chunk": each.chunk, "generation": each.generation, "rows": each.rows, "sha256": each.sha256}
        for each in january
    ]
    assert merged.generations == [each.generation for each in january]
    assert (merged.created_at, merged.rows_per_task) == (january[-1].created_at, {"shop": 4})


def test_a_second_run_changes_nothing(two_months: Path) -> None:
    merge_chunks()
    before = two_months.read_bytes(), two_months.stat().st_ino

    assert merge_chunks().merged == []

    assert (two_months.read_bytes(), two_months.stat().st_ino) == before


def test_a_merged_chunk_takes_in_what_came_later(two_months: Path) -> None:
    merge_chunks()
    add_chunk(two_months, "2026-02-28", [row("h")])

    merge_chunks()

    name, rows = ids_by_chunk(two_months)[1]
    assert (name, rows) == ("20260201T050000_000000Z-20260228T050000_000000Z", 4)
    *_, february = iter_chunks(two_months)
    assert [source["chunk"][-23:-8] for source in february.merged_from] == [
        "20260201T050000",
        "20260202T050000",
        "20260228T050000",
    ]
    assert len(set(february.generations)) == 3


def test_this_month_is_left_alone_unless_asked_for(two_chunks: Path) -> None:
    assert merge_chunks().merged == []

    [merged] = merge_chunks(this_month=True).merged
    assert merged.chunk.rows == 3


def test_months_are_those_of_utc(zip_path: Path) -> None:
    for number, moment in enumerate(("2026-01-31T23:00:00-06:00", "2026-02-02T00:00:00+00:00")):
        sidecar = add_chunk(zip_path, f"2026-02-0{number + 1}", [row(str(number))])
        facts = orjson.loads(sidecar.to_json()) | {"created_at": moment}
        rewrite_member(zip_path, f"{sidecar.chunk}.json", orjson.dumps(facts))

    assert len(merge_chunks().merged) == 1


def test_a_month_with_one_chunk_is_not_touched(zip_path: Path) -> None:
    add_chunk(zip_path, "2026-01-01", [row("a")])
    before = zip_path.read_bytes()

    assert merge_chunks().merged == []

    assert zip_path.read_bytes() == before


def test_each_zip_is_merged_for_itself(two_months: Path) -> None:
    roll_over(two_months, datetime(2026, 2, 3, tzinfo=UTC))
    for day in ("2026-02-04", "2026-02-05"):
        add_chunk(two_months, day, [row(day)])
    before = examples(two_months)

    report = merge_chunks()

    assert [found.zip_name for found in report.merged] == ["llm_training_dataset-20260203.zip"] * 2 + [two_months.name]
    assert examples(two_months) == before


def test_of_an_id_in_several_chunks_the_first_one_stays(zip_path: Path) -> None:
    for day, answer in (("2026-01-01", "first"), ("2026-01-02", "second")):
        add_chunk(zip_path, day, [row("a", response_strong=answer), row(day)])

    merge_chunks()

    assert examples(zip_path)["a"]["response_strong"] == "first"
    assert [sidecar.rows for sidecar in iter_chunks(zip_path)] == [3]


def test_the_first_one_is_that_of_the_zip_when_the_clock_stepped_back(zip_path: Path) -> None:
    for day, answer in (("2026-01-09", "first"), ("2026-01-02", "second")):
        add_chunk(zip_path, day, [row("a", response_strong=answer)])
    before = examples(zip_path)

    merge_chunks()

    assert examples(zip_path) == before
    assert before["a"]["response_strong"] == "first"


def test_chunks_of_no_rows_are_merged_too(zip_path: Path) -> None:
    for day, rows in (("2026-01-01", []), ("2026-01-02", [row("a")]), ("2026-01-03", [])):
        add_chunk(zip_path, day, rows)

    merge_chunks()

    assert [sidecar.rows for sidecar in iter_chunks(zip_path)] == [1]


def test_what_others_put_into_the_zip_stays(two_months: Path) -> None:
    with zipfile.ZipFile(two_months, "a") as archive:
        archive.writestr("README.txt", b"by hand")
        archive.writestr(f"{PREFIX}lonely.json", b"{}")
        archive.comment = b"a comment"

    merge_chunks()

    assert members_of(two_months)["README.txt"] == b"by hand"
    assert members_of(two_months)[f"{PREFIX}lonely.json"] == b"{}"
    with zipfile.ZipFile(two_months) as archive:
        assert archive.comment == b"a comment"


@pytest.mark.parametrize(
    ("months", "expected"),
    [
        # The usual name of what January becomes is that of a chunk of February, which stays.
        ({"A": "2026-01", "C-B": "2026-01", "A-B": "2026-02"}, ["A", "A-B"]),
        # Both months would become a chunk of the same name.
        ({"A": "2026-01", "B-D": "2026-01", "A-C": "2026-02", "C-D": "2026-02"}, ["A-C", "A-D"]),
        # The usual name would be too long for a chunk.
        ({"A" * 60: "2026-01", "B" * 60: "2026-01"}, ["A" * 60]),
    ],
    ids=["of a chunk that stays", "of another month", "too long"],
)
def test_a_name_that_cannot_be_given_loses_no_chunk(
    zip_path: Path, months: dict[str, str], expected: list[str]
) -> None:
    for name, month in months.items():
        add_chunk(zip_path, f"{month}-01", [row(f"in {name}")], name=PREFIX + name)
    before = examples(zip_path)

    merge_chunks()

    assert sorted(name for name, _ in ids_by_chunk(zip_path)) == expected
    assert examples(zip_path) == before


# --- What knows of them ----------------------------------------------------------------------------------------------


def chunk_of(example_id: str) -> str:
    generation = ExampleIndex.objects.get(pk=example_id).generation
    return ArchivedGeneration.objects.get(generation=generation).chunk.name


def test_the_index_leads_to_the_merged_chunk(capture_calls: Calls, two_chunks: Path) -> None:
    ids = [example["id"] for example in iter_examples(two_chunks)]
    before = list(ExampleIndex.objects.order_by("id").values())

    [merged] = merge_chunks(this_month=True).merged

    assert {chunk_of(example_id) for example_id in ids} == {merged.chunk.chunk}
    assert ArchivedChunk.objects.get().name == merged.chunk.chunk
    assert list(ExampleIndex.objects.order_by("id").values()) == before


def test_a_rebuilt_index_leads_to_the_merged_chunk(two_chunks: Path) -> None:
    [merged] = merge_chunks(this_month=True).merged
    ids = set(ExampleIndex.objects.values_list("pk", flat=True))
    ExampleIndex.objects.all().delete()

    assert rebuild_example_index() == 3

    assert set(ExampleIndex.objects.values_list("pk", flat=True)) == ids
    assert {chunk_of(example_id) for example_id in ids} == {merged.chunk.chunk}


def test_the_next_archive_run_has_nothing_to_mend(two_chunks: Path, capture_calls: Calls) -> None:
    merge_chunks(this_month=True)
    capture_calls(1)
    archive_training_data()

    assert set(ArchivedChunk.objects.values_list("name", flat=True)) == {
        sidecar.chunk for sidecar in iter_chunks(two_chunks)
    }
    assert (archive_status().rows, archive_status().chunks) == (4, 2)


def test_a_copy_elsewhere_is_merged_without_touching_what_is_known_of_ours(two_chunks: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / two_chunks.name
    copy.parent.mkdir()
    copy.write_bytes(two_chunks.read_bytes())
    before = list(ArchivedGeneration.objects.order_by("generation").values())

    merge_chunks(zip_path=copy, this_month=True)

    assert list(ArchivedGeneration.objects.order_by("generation").values()) == before
    assert ArchivedChunk.objects.count() == 2


def test_a_chunk_whose_archive_run_was_killed_at_the_end_is_not_stored_twice(
    capture_calls: Calls, interrupted_run: Callable[..., None], zip_path: Path
) -> None:
    capture_calls(1)
    archive_training_data()
    ids = capture_calls(2)
    interrupted_run()
    [sealed] = (zip_path.parent / "sealed").glob("*.duckdb")
    content = sealed.read_bytes()
    archive_training_data()
    sealed.write_bytes(content)  # killed after its append, before it removed the sealed file

    merge_chunks(this_month=True)
    archive_training_data()
    merge_chunks(this_month=True)

    assert [sidecar.rows for sidecar in iter_chunks(zip_path)] == [3]
    assert set(ids) <= set(examples(zip_path))


# --- What can go wrong -----------------------------------------------------------------------------------------------


def nothing_left_over(zip_path: Path) -> bool:
    left = {Path(name).name for name in files_below(zip_path.parent)}
    scratch = capture_settings().data_dir / "tmp"
    return not [name for name in left if name.endswith(".appending")] and not list(scratch.glob("*"))


def test_without_an_archive_it_is_said(zip_path: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no archive"):
        merge_chunks()


def test_two_runs_share_no_archive(
    two_months: Path, lock_elsewhere: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with lock_elsewhere(two_months.with_name(f".{two_months.name}.lock")), pytest.raises(ArchiveBusy):
        merge_chunks()


@pytest.mark.parametrize("stage", ["reading", "compressing the chunk", "copying", "reading the second"])
def test_a_killed_merge_leaves_everything_as_it_was(two_months: Path, stage: str) -> None:
    before = two_months.read_bytes()
    add_chunk(two_months, "2026-03-01", [row("z")])  # something to copy
    before, seen = two_months.read_bytes(), 0

    def die(at: str, done: int, total: int) -> None:
        nonlocal seen
        seen += at.startswith("reading")
        if at.startswith(stage) or (stage == "reading the second" and seen == 4):
            raise Killed

    with pytest.raises(Killed):
        merge_chunks(progress=die)

    assert two_months.read_bytes() == before
    assert nothing_left_over(two_months)
    assert len(merge_chunks().merged) == 2


def damage(zip_path: Path, chunk: str) -> None:
    """Change bytes inside the chunk's compressed content."""
    with zipfile.ZipFile(zip_path) as archive:
        info = archive.getinfo(chunk + CHUNK_SUFFIX)
    with zip_path.open("r+b") as file:
        file.seek(info.header_offset + 200)
        file.write(b"damage" * 20)


def test_a_damaged_chunk_is_not_merged(two_months: Path) -> None:
    damage(two_months, list(iter_chunks(two_months))[1].chunk)
    before = two_months.read_bytes()

    with pytest.raises(ArchiveDamaged, match="20260103T050000"):
        merge_chunks()

    assert two_months.read_bytes() == before
    assert nothing_left_over(two_months)


@pytest.mark.parametrize("content", [b"", b"no ZIP"])
def test_a_damaged_zip_is_told_before_any_is_changed(two_months: Path, content: bytes) -> None:
    before = two_months.read_bytes()
    roll_over(two_months, datetime(2026, 2, 3, tzinfo=UTC))
    two_months.write_bytes(content)

    with pytest.raises(ArchiveDamaged, match=rf"{two_months.name} is not readable as a ZIP"):
        merge_chunks()

    assert archive_zips(two_months)[0].read_bytes() == before


def test_what_was_merged_before_a_damage_was_met_is_known(two_months: Path) -> None:
    roll_over(two_months, datetime(2026, 2, 3, tzinfo=UTC))
    for day in ("2026-03-04", "2026-03-05"):
        add_chunk(two_months, day, [row(day)])
    damage(two_months, f"{PREFIX}20260305T050000_000000Z")

    with pytest.raises(ArchiveDamaged):
        merge_chunks()

    assert set(ArchivedChunk.objects.values_list("name", flat=True)) == {
        sidecar.chunk for sidecar in iter_chunks(two_months)
    }
    assert ArchivedGeneration.objects.count() == 7


@pytest.mark.parametrize("lie", [{"rows": 99}, {"sha256": "0" * 64}, {"chunk": f"{PREFIX}another"}, {"size": 5}])
def test_a_sidecar_that_lies_keeps_the_chunk_as_it_is(two_months: Path, lie: dict[str, Any]) -> None:
    sidecar = next(iter_chunks(two_months))
    facts = orjson.loads(sidecar.to_json()) | lie
    rewrite_member(two_months, f"{sidecar.chunk}.json", orjson.dumps(facts))
    before = members_of(two_months)

    if "rows" in lie:  # the only one that nobody needs to believe: the rows are counted anew
        merge_chunks()
        assert next(iter_chunks(two_months)).rows == 4
        return
    with pytest.raises(ArchiveDamaged):
        merge_chunks()
    assert members_of(two_months) == before


def test_a_disk_that_fills_up_leaves_the_archive_as_it_was(two_months: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = two_months.read_bytes()

    def no_space(*args: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("training_archive.zip_writer.fsync_file", no_space)
        with pytest.raises(ArchiveError, match=r"No space left on device.*everything in it is as it was"):
            merge_chunks()

    assert two_months.read_bytes() == before
    assert nothing_left_over(two_months)


def test_a_run_that_died_before_it_told_django_is_made_good_by_the_next(
    two_chunks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(merge_module, "remember_change", die)
        with pytest.raises(Killed):
            merge_chunks(this_month=True)

    archive_training_data()

    [sidecar] = iter_chunks(two_chunks)
    assert list(ArchivedGeneration.objects.values_list("chunk", flat=True)) == [sidecar.chunk] * 2
