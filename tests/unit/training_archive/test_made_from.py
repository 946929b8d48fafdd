"""What was made from examples: exports by their lineage, also when that is gone."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.exports.material import example
from tests.unit.training_archive.material import write_archive
from training_archive import made_from as made_from_module
from training_archive.exports.options import ExportOptions
from training_archive.exports.service import export_dataset
from training_archive.made_from import EXPORT, GONE_EXPORT, UNTOLD, MadeFrom, made_from, register_made_from
from training_archive.services import forget

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


def models(ids: Sequence[str]) -> Iterator[MadeFrom]:
    """The answer of an app that fails halfway."""
    yield MadeFrom(kind="model", name="the first", examples=len(ids))
    raise RuntimeError("away")


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> MadeFrom:
    """An app that fails is asked first; what stands for its answer."""
    monkeypatch.setattr(made_from_module, "_answers", [])
    register_made_from(models)
    register_made_from(made_from_module.exports)
    return MadeFrom(kind=UNTOLD, name=f"{__name__}.models", examples=None)


def test_an_app_that_fails_is_named_and_hides_no_other(
    folder: Path, failing: MadeFrom, caplog: pytest.LogCaptureFixture
) -> None:
    assert made_from(["a"]) == [failing, MadeFrom(kind=EXPORT, name=str(folder), examples=1)]
    assert f"{failing.name} failed to say" in caplog.text


def test_an_app_that_fails_keeps_no_erasure_open(folder: Path, failing: MadeFrom) -> None:
    [receipt] = forget(ids=["a"], by="tester").receipts

    assert receipt.made_from_them == [asdict(failing), asdict(MadeFrom(kind=EXPORT, name=str(folder), examples=1))]


def test_forgetting_says_whose_answer_is_missing(folder: Path, failing: MadeFrom, command: Callable[..., str]) -> None:
    output = command("forget", "--id=a")

    assert f"could not be told: {failing.name} failed" in output
    assert f"Still holds 1 of them: export {folder}. Make it anew." in output
