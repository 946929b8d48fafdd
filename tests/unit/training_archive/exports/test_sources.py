"""Which examples an export takes, and from where."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from capture_app.models import ForgottenExample
from capture_app.services import drain_captures
from tests.unit.training_archive.exports.material import example, lineage, manifest, written_ids
from tests.unit.training_archive.material import rewrite_member, write_archive, write_database
from training_archive.chunks import PREFIX
from training_archive.exceptions import ArchiveDamaged, ArchiveError
from training_archive.exports.exceptions import NothingToExport
from training_archive.services import archive_training_data

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]
Export = Callable[..., Any]


def test_both_takes_archive_sealed_files_live_database_and_inbox(
    capture_calls: Calls, interrupted_run: Callable[..., None], export: Export, out: Path
) -> None:
    ids = capture_calls(1)
    archive_training_data()
    ids += capture_calls(1)
    interrupted_run()
    ids += capture_calls(1)
    drain_captures()
    ids += capture_calls(1)

    export(source="both", dedupe="none")

    assert written_ids(out) == ids
    assert [lineage(out)[example_id][0].startswith(PREFIX) for example_id in ids] == [True, True, False, False]


def test_live_takes_what_is_not_in_the_zip_yet(
    capture_calls: Calls, interrupted_run: Callable[..., None], export: Export, out: Path
) -> None:
    capture_calls(1)
    archive_training_data()
    ids = capture_calls(1)
    interrupted_run()
    ids += capture_calls(1)

    export(source="live", dedupe="none")

    assert written_ids(out) == ids
    assert lineage(out)[ids[1]] == ("live", "train", "")


def test_archive_takes_no_more_than_the_zip_holds(capture_calls: Calls, export: Export, out: Path) -> None:
    ids = capture_calls(1)
    archive_training_data()
    capture_calls(1)

    export(source="archive", dedupe="none")

    assert written_ids(out) == ids


def test_without_an_archive_both_takes_what_is_live(capture_calls: Calls, export: Export, out: Path) -> None:
    ids = capture_calls(2)

    export(source="both")

    assert written_ids(out) == ids


def test_without_an_archive_there_is_nothing_to_take_from_it(export: Export, out: Path) -> None:
    with pytest.raises(ArchiveError, match="There is no archive"):
        export(source="archive")
    assert not out.exists()


@pytest.mark.parametrize("source", ["archive", "both"])
def test_an_archive_that_was_named_has_to_be_there(
    capture_calls: Calls, export: Export, out: Path, tmp_path: Path, source: str
) -> None:
    capture_calls(1)

    with pytest.raises(ArchiveError, match=f"There is no archive at {tmp_path}/nope.zip.*--zip-path"):
        export(source=source, zip_path=tmp_path / "nope.zip")
    assert not out.exists()


def test_the_first_chunk_that_holds_an_id_wins(zip_path: Path, export: Export, out: Path) -> None:
    write_archive(zip_path, [example("a", task="first")], [example("a", task="second"), example("b")])

    report = export()

    assert written_ids(out) == ["a", "b"]
    assert report.tasks == {"train": {"first": 1, "shop": 1}}
    assert [source["rows"] for source in manifest(out)["sources"]] == [1, 1]


def test_the_archive_wins_over_a_sealed_file_with_the_same_examples(
    zip_path: Path, data_dir: Path, export: Export, out: Path
) -> None:
    write_database(data_dir / "sealed" / f"{PREFIX}0000.duckdb", [example("a", task="sealed")])
    write_archive(zip_path, [example("a", task="archived")])

    assert export(source="both").tasks == {"train": {"archived": 1}}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"tasks": ("shop", "nav")}, ["a", "b"]),
        ({"models": ("small",)}, ["b"]),
        ({"providers": ("openai",)}, ["c"]),
        ({"since": datetime(2026, 1, 2, tzinfo=UTC)}, ["b", "c"]),
        ({"until": datetime(2026, 1, 2, tzinfo=UTC)}, ["a"]),
        ({"tags": ("good",)}, ["a", "b"]),
        ({"tags": ("good", "checked")}, ["b"]),
        ({"min_rating": 4}, ["b"]),
        ({"tasks": ("shop",), "min_rating": 3.5}, ["a"]),
    ],
)
def test_filters_choose_examples(export_of: Export, out: Path, filters: dict[str, Any], expected: list[str]) -> None:
    rows = [
        example("a", task="shop", rating=3.5, tags=["good"]),
        example(
            "b", task="nav", model_name="small", created_at=datetime(2026, 1, 2), rating=4, tags=["good", "checked"]
        ),
        example("c", task="mail", provider="openai", created_at=datetime(2026, 1, 3)),
    ]

    report = export_of(rows, **filters)

    assert written_ids(out) == expected
    assert report.matching == len(expected)


@pytest.mark.parametrize("rating", ["5", "NaN", None, [5], {"value": 5}, True])
def test_a_rating_that_is_no_number_is_none(export_of: Export, rating: Any) -> None:
    with pytest.raises(NothingToExport, match="No example passes the filters"):
        export_of([example("a", rating=rating)], min_rating=1)


@pytest.mark.parametrize("tags", ["good", {"good": 1}, [["good"]], None, 5])
def test_tags_that_are_no_list_of_strings_are_none(export_of: Export, tags: Any) -> None:
    with pytest.raises(NothingToExport):
        export_of([example("a", tags=tags)], tags=("good",))


@pytest.mark.parametrize("metadata", [None, "null", "[1]", '"text"', '{"rating": 1e999}'])
def test_metadata_of_any_shape_is_taken(export_of: Export, out: Path, metadata: str | None) -> None:
    export_of([example("a", metadata=metadata)])

    assert written_ids(out) == ["a"]


def test_an_example_without_a_task_is_counted_where_older_files_have_it(export_of: Export) -> None:
    rows = [
        example("a", task=""),
        example("b", task="", page_type="nav"),
        example("c", task=None, metadata={"task": "mail"}),
    ]

    assert export_of(rows).tasks == {"train": {"generic": 1, "mail": 1, "nav": 1}}


def test_a_damaged_archive_is_not_exported_in_part(zip_path: Path, export: Export, out: Path) -> None:
    sidecars = write_archive(zip_path, [example("a")], [example("b")])
    rewrite_member(zip_path, f"{sidecars[1].chunk}.duckdb", b"damaged")

    with pytest.raises(ArchiveDamaged):
        export()
    assert not out.exists()


def test_who_was_forgotten_is_in_no_export(export_of: Export, out: Path) -> None:
    ForgottenExample.objects.create(id="a", erasure="1")

    report = export_of([example("a"), example("b")])

    assert written_ids(out) == ["b"]
    assert report.matching == 1
    assert set(lineage(out)) == {"b"}


def test_records_come_in_the_order_of_time_whatever_chunk_they_are_in(
    zip_path: Path, export: Export, out: Path
) -> None:
    first, second = datetime(2026, 1, 1), datetime(2026, 1, 2)
    write_archive(zip_path, [example("c", created_at=second)], [example("b", created_at=first), example("a")])

    export()

    assert written_ids(out) == ["b", "a", "c"]
