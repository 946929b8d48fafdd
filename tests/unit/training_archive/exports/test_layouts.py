"""The file names of the data-extraction finetuner."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.unit.training_archive.exports.material import example, lineage, manifest
from tests.unit.training_archive.material import files_below, write_archive
from training_archive.exports.exceptions import ExportError
from training_archive.made_from import made_from
from training_archive.models import DatasetExport

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]

NAMES = {"shop.v1.jsonl", "shop_latest.jsonl", "manifest.v1.json", "lineage.parquet"}


@pytest.fixture
def publish(export: Export) -> Export:
    """Export with slug and schema."""

    def run(**values: Any) -> Any:
        return export(**{"slug": "shop", "schema": "v1", "split": None, **values})

    return run


def test_the_finetuner_finds_its_file_names(zip_path: Path, publish: Export, out: Path) -> None:
    write_archive(zip_path, [example("a"), example("b", task="nav", page_type="list")])

    report = publish()

    assert files_below(out) == NAMES
    assert (out / "shop.v1.jsonl").read_bytes() == (out / "shop_latest.jsonl").read_bytes()
    found = manifest(out, "manifest.v1.json")
    assert found["schema_version"] == "v1"
    assert found["input_source"] == zip_path.name
    assert found["total_examples"] == report.rows == 2
    assert found["task_counts"] == {"nav": 1, "shop": 1}
    assert found["splits"]["train"]["shards"][0]["name"] == "shop.v1.jsonl"
    lines = [orjson.loads(line) for line in (out / "shop.v1.jsonl").read_bytes().splitlines()]
    assert [(line["id"], line["response_strong"]) for line in lines] == [("a", {"price": 5}), ("b", {"price": 5})]


def test_an_export_of_the_same_version_is_replaced_on_request_and_leaves_others(
    zip_path: Path, publish: Export, out: Path
) -> None:
    write_archive(zip_path, [example("a"), example("b", task="nav")])
    publish()
    (out / "notes.txt").write_text("mine")

    publish(tasks=("nav",), overwrite=True)

    assert files_below(out) == {*NAMES, "notes.txt"}
    assert manifest(out, "manifest.v1.json")["total_examples"] == 1
    assert set(lineage(out)) == {"b"}


@pytest.mark.parametrize("left", ["shop.v1.jsonl", "manifest.v1.json"])
def test_a_version_that_is_there_is_not_replaced_without_a_word(
    zip_path: Path, publish: Export, out: Path, left: str
) -> None:
    write_archive(zip_path, [example("a"), example("b", task="nav")])
    publish()
    for name in {"shop.v1.jsonl", "manifest.v1.json"} - {left}:
        (out / name).unlink()
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    with pytest.raises(ExportError, match=f"holds {left} already.*--overwrite"):
        publish(tasks=("nav",))

    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_new_schema_leaves_the_old_file_and_moves_the_latest(zip_path: Path, publish: Export, out: Path) -> None:
    write_archive(zip_path, [example("a"), example("b", task="nav")])
    publish()

    publish(schema="v2", tasks=("nav",))

    assert len((out / "shop.v1.jsonl").read_bytes().splitlines()) == 2
    assert (out / "shop_latest.jsonl").read_bytes() == (out / "shop.v2.jsonl").read_bytes()
    assert files_below(out) == {*NAMES, "shop.v2.jsonl", "manifest.v2.json"}


def test_the_lineage_names_the_examples_of_all_files_in_the_folder(zip_path: Path, publish: Export, out: Path) -> None:
    write_archive(zip_path, [example("a"), example("b", task="nav")])
    publish(tasks=("shop",))
    publish(schema="v2", tasks=("nav",))

    assert set(lineage(out)) == {"a", "b"}
    assert [found.examples for found in made_from(["a"]) if found.kind == "export"] == [1]
    assert DatasetExport.objects.get().manifest == "manifest.v2.json"


def test_two_slugs_do_not_share_a_manifest(zip_path: Path, publish: Export, out: Path) -> None:
    write_archive(zip_path, [example("a")])
    publish()

    with pytest.raises(ExportError, match="is that of 'shop'"):
        publish(slug="other")
    assert files_below(out) == NAMES


def test_nobody_else_may_read_the_files(zip_path: Path, publish: Export, out: Path) -> None:
    write_archive(zip_path, [example("a")])

    publish()

    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"slug": "../shop"}, "letters, digits"),
        ({"slug": ".shop"}, "letters, digits"),
        ({"schema": ""}, "A slug needs a schema"),
        ({"format": "csv"}, "belong to the format extraction"),
        ({"split": None, "format": "parquet"}, "belong to the format extraction"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(
    zip_path: Path, publish: Export, out: Path, values: dict[str, Any], problem: str
) -> None:
    write_archive(zip_path, [example("a")])

    with pytest.raises(ExportError, match=problem):
        publish(**values)
    assert not out.exists()


def test_a_file_where_the_folder_should_be_is_refused(zip_path: Path, publish: Export, out: Path) -> None:
    write_archive(zip_path, [example("a")])
    out.write_text("text")

    with pytest.raises(ExportError, match="no folder"):
        publish()
