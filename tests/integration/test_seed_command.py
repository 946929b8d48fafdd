"""The nightly command line, as cron would run it."""

import zipfile
from collections.abc import Callable

import pytest
from filelock import FileLock

from tests.integration.conftest import Project
from training_archive.reader import iter_examples


@pytest.fixture
def project(make_project: Callable[..., Project]) -> Project:
    return make_project(DATABASE_TYPE="sqlite")


def test_the_command_archives_what_another_process_captured(project: Project) -> None:
    ids = project.capture(3)

    process = project.manage("archive_training_data")

    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("Archived 3 examples as llm_training_chunk_")
    assert sorted(example["id"] for example in iter_examples(project.data_dir / "llm_training_dataset.zip")) == ids


def test_the_zip_holds_a_chunk_and_its_sidecar(project: Project) -> None:
    project.capture(1)

    project.manage("archive_training_data")

    with zipfile.ZipFile(project.data_dir / "llm_training_dataset.zip") as archive:
        chunk, sidecar = archive.namelist()
    assert chunk.startswith("llm_training_chunk_")
    assert (chunk, sidecar) == (f"{chunk[:-7]}.duckdb", f"{chunk[:-7]}.json")


def test_a_second_run_says_that_nothing_is_new(project: Project) -> None:
    project.capture(1)
    project.manage("archive_training_data")

    process = project.manage("archive_training_data")

    assert process.returncode == 0, process.stderr
    assert process.stdout == "Nothing new to archive; the ZIP is as it was.\n"


def test_a_run_beside_another_exits_with_status_75(project: Project) -> None:
    project.capture(1)
    (project.data_dir / "sealed").mkdir()

    with FileLock(project.data_dir / "sealed" / ".lock"):
        process = project.manage("archive_training_data")

    assert process.returncode == 75
    assert "Another run that changes or indexes the archive is at work" in process.stderr
    assert "Traceback" not in process.stderr


def test_a_folder_that_cannot_be_made_exits_with_status_1_and_a_message(project: Project) -> None:
    project.capture(1)
    (project.data_dir / "file").touch()

    process = project.manage("archive_training_data", f"--zip-path={project.data_dir / 'file' / 'archive.zip'}")

    assert process.returncode == 1
    assert "Traceback" not in process.stderr


def test_the_options_of_the_command_are_refused_with_its_usage(project: Project) -> None:
    process = project.manage("archive_training_data", "--compresslevel=0")

    assert process.returncode == 2
    assert "--compresslevel 1-9" in process.stderr
