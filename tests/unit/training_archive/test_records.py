"""What Django's database knows of the archive follows the sidecars."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.training_archive.material import NAME, change_sidecar, row, sidecar_of, write_archive
from training_archive.dated_names import roll_over
from training_archive.exceptions import ArchiveDamaged
from training_archive.models import ArchivedChunk, ArchivedGeneration
from training_archive.records import known_chunks, remember_archive, remember_change, remember_chunk

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def sources(*generations: str) -> list[dict[str, object]]:
    return [{"chunk": f"{NAME}-{name}", "generation": name, "rows": 1, "sha256": "0"} for name in generations]


def generations() -> dict[str, str]:
    return dict(ArchivedGeneration.objects.values_list("generation", "chunk"))


def zip_names() -> dict[str, str]:
    return dict(ArchivedChunk.objects.values_list("name", "zip_name"))


def test_a_merged_chunk_is_known_under_all_its_generations(zip_path: Path) -> None:
    remember_chunk(sidecar_of(b"x", merged_from=sources("one", "two")), zip_path)

    assert generations() == {"one": NAME, "two": NAME}


def test_a_chunk_that_was_merged_gives_its_generation_to_the_one_it_became(zip_path: Path) -> None:
    [old] = write_archive(zip_path, [row("a")])
    remember_archive(zip_path)
    merged = {"merged_from": sources(old.generation, "another")}
    change_sidecar(zip_path, merged)

    remember_archive(zip_path)

    assert generations() == {old.generation: old.chunk, "another": old.chunk}


def test_chunks_that_are_gone_are_forgotten_with_their_generations(zip_path: Path) -> None:
    remember_chunk(sidecar_of(b"x"), zip_path)
    [kept] = write_archive(zip_path, [row("a")])

    remember_archive(zip_path)

    assert zip_names() == {kept.chunk: zip_path.name}
    assert generations() == {kept.generation: kept.chunk}


def test_a_chunk_is_known_to_be_in_the_zip_that_was_rolled_over(zip_path: Path) -> None:
    [sidecar] = write_archive(zip_path, [row("a")])
    remember_archive(zip_path)
    dated = roll_over(zip_path, NOW)

    remember_archive(zip_path)

    assert zip_names() == {sidecar.chunk: dated.name}
    assert set(known_chunks(zip_path)) == {sidecar.chunk}


@pytest.mark.parametrize(
    "other",
    [
        "llm_training_dataset_old.zip",
        "llm_training_dataset-copy.zip",
        "llm_training_dataset-20261121.zip.bak",
        "LLM_TRAINING_DATASET.zip",
        "llm_training_dataset.zip.1",
    ],
)
def test_chunks_in_archives_of_other_names_stay_known(zip_path: Path, other: str) -> None:
    [ours] = write_archive(zip_path, [row("a")])
    theirs = sidecar_of(b"x")
    remember_chunk(theirs, zip_path.with_name(other))

    remember_archive(zip_path)

    assert zip_names() == {ours.chunk: zip_path.name, theirs.chunk: other}
    assert set(known_chunks(zip_path)) == {ours.chunk}


@pytest.mark.parametrize("name", ["a%b_.zip", "a[b].zip", os.fsdecode(b"caf\xe9.zip")])
def test_a_zip_of_any_name_is_recognised(data_dir: Path, name: str) -> None:
    path = data_dir / name
    sidecar = sidecar_of(b"x")
    remember_chunk(sidecar, path.with_name(f"{path.stem}-20261121{path.suffix}"))

    assert set(known_chunks(path)) == {sidecar.chunk}


def test_a_sidecar_that_cannot_be_read_changes_nothing(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")], [row("b")])
    remember_archive(zip_path)
    before = zip_names()
    change_sidecar(zip_path, {"rows": "many"})

    with pytest.raises(ArchiveDamaged):
        remember_archive(zip_path)

    assert zip_names() == before


def test_an_archive_of_which_nothing_is_left_is_forgotten(zip_path: Path) -> None:
    write_archive(zip_path, [row("a")])
    remember_archive(zip_path)
    zip_path.unlink()

    remember_archive(zip_path)

    assert (zip_names(), generations()) == ({}, {})


def test_a_copy_that_was_changed_elsewhere_changes_no_record(zip_path: Path, tmp_path: Path) -> None:
    [ours] = write_archive(zip_path, [row("a")])
    remember_archive(zip_path)
    copy = tmp_path / "copy" / zip_path.name
    write_archive(copy, [row("b")], [row("c")])

    remember_change(copy)

    assert zip_names() == {ours.chunk: zip_path.name}


@pytest.mark.parametrize("where", [lambda path: path, lambda path: path.with_name("another.zip")])
def test_a_change_of_the_archive_or_of_one_by_another_name_is_recorded(
    zip_path: Path, where: Callable[[Path], Path]
) -> None:
    path = where(zip_path)
    [sidecar] = write_archive(path, [row("a")])

    remember_change(path)

    assert zip_names() == {sidecar.chunk: path.name}
