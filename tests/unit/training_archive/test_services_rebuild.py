"""rebuild_example_index makes the index anew from the DuckDB files alone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from capture_app.models import ExampleIndex
from capture_app.services import drain_captures
from tests.unit.training_archive.material import (
    chunk_file,
    rewrite_member,
)
from training_archive.exceptions import ArchiveDamaged
from training_archive.models import ArchivedChunk
from training_archive.services import archive_training_data, rebuild_example_index

pytestmark = pytest.mark.django_db

Calls = Callable[..., list[str]]


@pytest.fixture
def at_every_station(capture_calls: Calls, interrupted_run: Callable[..., None]) -> None:
    """Examples in two chunks, in a sealed file and in the live database."""
    for count in (2, 3):
        capture_calls(count, user_id="u")
        archive_training_data()
    capture_calls(4, conversation_id="c")
    interrupted_run()
    capture_calls(5)
    drain_captures()


@pytest.mark.usefixtures("at_every_station")
def test_a_lost_index_comes_back_from_the_files() -> None:
    before = list(ExampleIndex.objects.order_by("id").values())
    ExampleIndex.objects.all().delete()

    assert rebuild_example_index() == 14

    assert list(ExampleIndex.objects.order_by("id").values()) == before


@pytest.mark.usefixtures("at_every_station")
def test_lost_rows_about_chunks_come_back_from_the_zip() -> None:
    before = list(ArchivedChunk.objects.values())
    ArchivedChunk.objects.all().delete()

    rebuild_example_index()

    assert list(ArchivedChunk.objects.values()) == before


@pytest.mark.usefixtures("at_every_station")
def test_rebuilding_forgets_what_no_file_holds() -> None:
    known = ExampleIndex.objects.first()
    assert known is not None
    known.pk = "gone"
    known.save(force_insert=True)

    rebuild_example_index()

    assert not ExampleIndex.objects.filter(pk="gone").exists()


def test_rebuilding_without_any_file_indexes_nothing() -> None:
    assert rebuild_example_index() == 0


def test_a_chunk_that_is_no_database_cannot_be_indexed(two_chunks: Path) -> None:
    rewrite_member(two_chunks, chunk_file(two_chunks), b"garbage" * 1000)

    with pytest.raises(ArchiveDamaged, match="DuckDB does not open it"):
        rebuild_example_index()


def test_a_rebuild_that_is_interrupted_leaves_the_index_as_it_was(capture_calls: Calls) -> None:
    capture_calls(3)
    archive_training_data()

    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild_example_index(progress=interrupt)

    assert (ExampleIndex.objects.count(), ArchivedChunk.objects.count()) == (3, 1)
