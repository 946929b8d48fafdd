"""The folder of an export: never half-written, never in the place of anything else."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from capture_app.models import ForgottenExample
from tests.unit.training_archive.exports.material import example, manifest, written_ids
from tests.unit.training_archive.material import files_below, write_archive
from training_archive.exports.exceptions import ExportBusy, ExportError
from training_archive.models import DatasetExport

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]


class Killed(BaseException):
    """Ends a run as a signal would."""


@pytest.fixture
def archived(zip_path: Path) -> Path:
    write_archive(zip_path, [example("a"), example("b")])
    return zip_path


def test_a_folder_that_holds_something_else_is_refused(archived: Path, export: Export, out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")

    for overwrite in (False, True):
        with pytest.raises(ExportError, match="something that is no export"):
            export(overwrite=overwrite)
    assert files_below(out) == {"thesis.txt"}


@pytest.mark.parametrize("content", [b"{}", b"[]", b"no JSON", b'{"kind": "other"}'])
def test_a_manifest_of_others_is_no_export(archived: Path, export: Export, out: Path, content: bytes) -> None:
    out.mkdir()
    (out / "manifest.json").write_bytes(content)

    with pytest.raises(ExportError, match="no export"):
        export(overwrite=True)


def test_an_empty_folder_is_taken(archived: Path, export: Export, out: Path) -> None:
    out.mkdir()

    export()

    assert written_ids(out) == ["a", "b"]


def test_a_file_is_no_folder(archived: Path, export: Export, out: Path) -> None:
    out.write_text("text")

    with pytest.raises(ExportError, match="no folder"):
        export(overwrite=True)
    assert out.read_text() == "text"


def test_an_export_is_replaced_only_on_request(archived: Path, export: Export, out: Path) -> None:
    export(split=None)
    before = files_below(out)

    with pytest.raises(ExportError, match="--overwrite"):
        export(format="csv")
    assert files_below(out) == before

    export(format="csv", overwrite=True)
    assert (out / "train.csv").exists()
    assert not list(out.glob("*.jsonl"))
    assert files_below(out.parent) & {".export.replaced", ".export.exporting"} == set()


def test_an_export_with_more_in_its_folder_is_not_replaced(archived: Path, export: Export, out: Path) -> None:
    export()
    (out / "checkpoint.bin").write_bytes(b"trained for days")

    with pytest.raises(ExportError, match="more than the export: checkpoint"):
        export(overwrite=True)
    assert (out / "checkpoint.bin").exists()


def test_nobody_else_may_read_an_export(archived: Path, export: Export, out: Path) -> None:
    export(format="hf-dataset")

    paths = [out, *out.rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}


def stages(export: Export, **values: Any) -> list[str]:
    """The stages that an export tells of."""
    seen: list[str] = []
    export(progress=lambda stage, done, total: seen.append(stage), **values)
    return list(dict.fromkeys(seen))


@pytest.mark.parametrize("error", [KeyboardInterrupt, Killed, OSError])
def test_interrupted_in_any_stage_nothing_is_left(
    archived: Path, export: Export, out: Path, tmp_path: Path, data_dir: Path, error: type[BaseException]
) -> None:
    everything = {"dedupe": "near", "split": None}
    (tmp_path / "elsewhere").mkdir()
    names = stages(export, out=tmp_path / "elsewhere" / "out", **everything)
    before = files_below(tmp_path) - {"db.sqlite3"}

    for name in names:

        def stop(stage: str, done: int, total: int, at: str = name) -> None:
            if stage == at:
                raise error("stopped")

        with pytest.raises(error):
            export(progress=stop, **everything)
        assert not out.exists()
        assert files_below(tmp_path) == before
    assert DatasetExport.objects.count() == 1


def test_interrupted_while_it_replaces_the_old_export_stays(archived: Path, export: Export, out: Path) -> None:
    export()

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "publishing":
            raise Killed

    with pytest.raises(Killed):
        export(format="csv", overwrite=True, progress=stop)

    assert written_ids(out) == ["a", "b"]
    assert DatasetExport.objects.get().format == "extraction"


def test_what_a_killed_run_left_goes_with_the_next_one(archived: Path, export: Export, out: Path) -> None:
    left = out.with_name(".export.exporting")
    left.mkdir()
    (left / "train.jsonl").write_text("half")

    export()

    assert written_ids(out) == ["a", "b"]
    assert not left.exists()


def test_killed_between_two_renames_the_old_export_comes_back(archived: Path, export: Export, out: Path) -> None:
    export()
    out.rename(out.with_name(".export.replaced"))

    with pytest.raises(ExportError, match="--overwrite"):
        export()

    assert written_ids(out) == ["a", "b"]


def test_killed_after_both_renames_the_old_export_goes(archived: Path, export: Export, out: Path) -> None:
    export()
    replaced = out.with_name(".export.replaced")
    replaced.mkdir()

    export(overwrite=True)

    assert not replaced.exists()


def test_two_exports_do_not_write_into_one_folder(archived: Path, export: Export, out: Path) -> None:
    staging = out.with_name(".export.exporting")
    staging.mkdir()
    descriptor = os.open(staging, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(ExportBusy, match="Another export"):
            export()
    finally:
        os.close(descriptor)
    export()


def test_an_export_is_remembered_with_its_lineage(archived: Path, export: Export, out: Path) -> None:
    export()

    [remembered] = DatasetExport.objects.all()
    assert remembered.path == str(out)
    assert (remembered.format, remembered.rows) == ("extraction", 2)
    assert (out / remembered.manifest).exists()
    assert (out / remembered.lineage).exists()
    assert remembered.created_at.isoformat() == manifest(out)["created_at"]


def test_a_link_to_a_folder_is_followed(archived: Path, export: Export, out: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    out.symlink_to(tmp_path / "real")

    report = export()

    assert report.out == tmp_path / "real"
    assert out.is_symlink()
    assert written_ids(tmp_path / "real") == ["a", "b"]


def test_a_name_that_is_not_in_utf_8_is_refused(archived: Path, export: Export, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="not in UTF-8"):
        export(out=tmp_path / os.fsdecode(b"\xff"))


def test_an_example_that_is_erased_meanwhile_is_not_published(archived: Path, export: Export, out: Path) -> None:
    def erase(stage: str, done: int, total: int) -> None:
        if stage == "publishing":
            ForgottenExample.objects.get_or_create(id="a", defaults={"erasure": "1"})

    with pytest.raises(ExportError, match="erased on request"):
        export(progress=erase)

    assert not out.exists()
    assert not DatasetExport.objects.exists()
