"""A download is what was written, or it breaks off."""

import hashlib
from typing import Any

import pytest

from tests.unit.training_files.material import ADA, both_files, in_storage, made, stored
from training_files import service
from training_files.describing import describe
from training_files.exceptions import ChangedMeanwhile, PartDamaged
from training_files.joining import json_blocks
from training_files.models import TrainingFilePart

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_damaged_part_breaks_the_download_off(damage: str) -> None:
    training_file = made(1)
    service.add_conversations(training_file.pk, stored(2), by=ADA)
    for path in in_storage():
        content = path.read_bytes()
        path.unlink()
        if damage != "gone":
            path.write_bytes(content[:-1] + (b"" if damage == "cut" else b"x"))

    with pytest.raises(PartDamaged, match="Restore it from a backup"):
        both_files(training_file)


def test_a_damaged_part_is_not_written_anew() -> None:
    training_file = made(1, 2)
    for path in in_storage():
        path.write_bytes(b"[]")

    with pytest.raises(PartDamaged):
        service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    service.remove_conversations(training_file.pk, ["c1", "c2"], by=ADA)  # of which nothing has to be read
    both_files(training_file)


def test_a_download_that_began_before_a_change_ends_as_it_began() -> None:
    training_file = made(1, 2)
    before = both_files(training_file)[0]
    blocks = json_blocks(describe(training_file))
    first = next(blocks)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    assert first + b"".join(blocks) == before


def test_what_was_changed_before_the_first_block_is_not_begun() -> None:
    training_file = made(1, 2)
    described = describe(training_file)

    service.remove_conversations(training_file.pk, ["c1"], by=ADA)

    with pytest.raises(ChangedMeanwhile):
        json_blocks(described)


def test_parts_are_known_by_their_hashes() -> None:
    made(1, 2)

    part = TrainingFilePart.objects.get()

    found: dict[str, Any] = {path.suffix: hashlib.sha256(path.read_bytes()).hexdigest() for path in in_storage()}
    assert found == {".json": part.json_sha256, ".jsonl": part.jsonl_sha256}
