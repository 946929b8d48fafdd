"""What was made from examples: exports by their lineage, also when that is gone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.exports.material import example
from tests.unit.training_archive.material import write_archive
from training_archive.exports.options import ExportOptions
from training_archive.exports.service import export_dataset
from training_archive.made_from import EXPORT, GONE_EXPORT, MadeFrom, made_from

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(zip_path: Path, tmp_path: Path) -> Path:
    """An export of two examples."""
    write_archive(zip_path, [example("a"), example("b")])
    out = tmp_path / "export"
    export_dataset(options=ExportOptions(format="csv", source="archive"), out=out)
    return out


def keep(folder: Path) -> None:
    """Let the export be."""


def damage(folder: Path) -> None:
    (folder / "lineage.parquet").write_bytes(b"no Parquet")


def delete(folder: Path) -> None:
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("become", "kind", "examples"), [(keep, EXPORT, 1), (damage, EXPORT, None), (delete, GONE_EXPORT, None)]
)
def test_an_export_is_named_with_what_can_be_told_of_it(
    folder: Path, become: Callable[[Path], Any], kind: str, examples: int | None
) -> None:
    become(folder)

    assert made_from(["a", "x"]) == [MadeFrom(kind=kind, name=str(folder), examples=examples)]


def test_an_export_without_the_example_is_not_named(folder: Path) -> None:
    assert made_from(["x"]) == []
