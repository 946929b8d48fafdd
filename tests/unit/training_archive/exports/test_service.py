"""export_dataset as a whole: its report, its manifest, and how it fails."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from capture_app.conf import capture_settings
from capture_app.example import COLUMNS
from tests.unit.training_archive.exports.material import example, lineage, manifest, records, written_ids
from tests.unit.training_archive.material import files_below, write_archive
from training_archive.exports import service
from training_archive.exports.exceptions import ExportError, NothingToExport
from training_archive.exports.formats import FORMATS
from training_archive.exports.options import parse_split
from training_archive.models import DatasetExport

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]


def test_the_manifest_counts_all_that_became_of_the_examples(zip_path: Path, export: Export, out: Path) -> None:
    [first, second] = write_archive(
        zip_path,
        [example(f"{n:02}") for n in range(10)],
        [example("10", "What does 09 cost?"), example("11", response_strong=""), example("12", task="nav")],
    )

    report = export(format="openai-chat", split=parse_split(".8/.1/.1"))

    found = manifest(out)
    assert found["kind"] == "gleaner-export"
    assert found["format"] == "openai-chat"
    assert (found["examples"], found["rows"]) == (report.matching, report.rows) == (13, 11)
    assert found["left_out"] == report.left_out == {"exact duplicate": 1, "the answer is empty": 1}
    assert sum(split["rows"] for split in found["splits"].values()) == 11
    assert found["options"]["seed"] == 42
    assert found["options"]["split"] == [0.8, 0.1, 0.1]
    assert [(source["name"], source["sha256"], source["rows"]) for source in found["sources"]] == [
        (first.chunk, first.sha256, 10),
        (second.chunk, second.sha256, 3),
    ]
    assert found["sources"][0]["generations"] == first.generations
    assert len(lineage(out)) == 13


def test_the_manifest_names_each_file_with_its_hash(export_of: Export, out: Path) -> None:
    report = export_of([example(f"{n}") for n in range(10)], shard_rows=4, split=parse_split(".8/.2"))

    shards = [shard for split in manifest(out)["splits"].values() for shard in split["shards"]]
    assert [shard["name"] for shard in shards] == [
        "train-00000-of-00002.jsonl",
        "train-00001-of-00002.jsonl",
        "validation.jsonl",
    ]
    assert [shard["rows"] for shard in shards] == [4, 4, 2]
    for shard in shards:
        content = (out / shard["name"]).read_bytes()
        assert len(content) == shard["bytes"]
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]
    assert files_below(out) == {"manifest.json", *manifest(out)["files"]}
    assert set(report.files) == set(manifest(out)["files"])


def test_shards_are_limited_in_bytes(export_of: Export, out: Path) -> None:
    export_of([example(f"{n}") for n in range(10)], shard_bytes=1500)

    sizes = [path.stat().st_size for path in out.glob("*.jsonl")]
    assert len(sizes) > 2
    assert max(sizes) <= 1500


def test_the_manifest_says_which_prompts_were_held_out(export_of: Export, out: Path, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text("A question\n")

    export_of([example("a")], held_out=(held,))

    assert manifest(out)["held_out"] == [{"name": "held.txt", "sha256": hashlib.sha256(held.read_bytes()).hexdigest()}]


def test_a_spreadsheet_is_told_how_many_cells_were_changed(export_of: Export, out: Path) -> None:
    export_of([example("a", "=1+1")], format="csv")

    [(what, count)] = manifest(out)["changes"].items()
    assert "apostrophe" in what
    assert count == 1


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(export_of: Export, out: Path, name: str) -> None:
    rows = [
        example(f"{n}", response_strong=f"Answer {n}.", correction="A better one." if n % 2 else None)
        for n in range(10)
    ]

    report = export_of(rows, format=name, split=None)

    assert report.rows == (5 if FORMATS[name].wants_pairs else 10)
    assert DatasetExport.objects.get().format == name


def test_a_dry_run_counts_and_writes_nothing(zip_path: Path, export: Export, out: Path, tmp_path: Path) -> None:
    write_archive(zip_path, [example(f"{n}") for n in range(10)] + [example("x", response_strong="")])
    before = files_below(tmp_path)

    dry = export(format="trl-messages", split=None, dry_run=True, out=None)

    assert files_below(tmp_path) - before <= {"backups/tmp"}
    assert not DatasetExport.objects.exists()
    wet = export(format="trl-messages", split=None)
    assert (dry.rows, dry.splits, dry.tasks, dry.left_out) == (wet.rows, wet.splits, wet.tasks, wet.left_out)
    assert dry.out is None
    assert dry.dry_run


def test_times_are_aware_and_json_is_decoded(export_of: Export, out: Path) -> None:
    export_of([example("a", note="caf\u00e9")])

    [record] = records(out)
    assert set(record) == set(COLUMNS)
    assert record["metadata"] == {"note": "caf\u00e9"}


def test_json_that_only_duckdb_takes_is_read_too(export_of: Export, out: Path) -> None:
    export_of([example("a", metadata='{"score": NaN, "note": "kept"}')])

    assert records(out)[0]["metadata"]["note"] == "kept"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"format": "docx"}, "There is no format 'docx'"),
        ({"out": None}, "needs a folder"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(export_of: Export, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ExportError, match=problem):
        export_of([example("a")], **values)


def test_when_all_is_refused_nothing_is_written_and_the_reasons_are_said(export_of: Export, out: Path) -> None:
    with pytest.raises(NothingToExport, match="the answer is empty: 2"):
        export_of([example("a", response_strong=""), example("b", response_strong=" ")], format="trl-messages")
    assert not out.exists()


def test_a_lack_of_memory_is_met_with_more(export_of: Export, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    select, tried = service._select, []

    def select_with_much(run: Any, workspace: Any) -> Any:
        limit = workspace.connection.execute("SELECT current_setting('memory_limit')").fetchall()
        tried.append(limit)
        found = select(run, workspace)
        if len(tried) == 1:
            raise duckdb.OutOfMemoryException("Out of Memory Error: for a test")
        return found

    monkeypatch.setattr(service, "_select", select_with_much)

    export_of([example("a")])

    assert written_ids(out) == ["a"]
    assert len(tried) == 2
    assert tried[0] != tried[1]


def test_enormous_records_are_exported(export_of: Export, out: Path) -> None:
    rows = [example(f"{n}", f"{n} " + "word " * 4_000_000) for n in range(3)]

    export_of(rows, format="trl-messages")

    assert [len(record["messages"][1]["content"]) for record in records(out)] == [20_000_002] * 3


def test_when_duckdb_cannot_go_on_it_is_said_and_nothing_is_written(
    export_of: Export, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **values: Any) -> None:
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(service, "assign_splits", full)

    with pytest.raises(ExportError, match="No space left on device"):
        export_of([example("a")])
    assert not out.exists()
    assert not files_below(capture_settings().data_dir / "tmp")


def test_making_a_call_loads_nothing_of_exports() -> None:
    code = (
        "import sys, capture_app; sys.exit(any(name.startswith(('rensa', 'training_archive')) for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
