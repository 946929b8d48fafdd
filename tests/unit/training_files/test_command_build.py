"""`build_training_file` and `sweep_training_files`, as the shell runs them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.unit.training_files.material import ADA, both_files, everything, in_storage, made, stored
from training_files import builds, changing, service
from training_files.conversations.store import delete_conversations
from training_files.creating import NewFile
from training_files.models import Build, TrainingFile
from training_files.storage import write_loose

pytestmark = pytest.mark.django_db


@pytest.fixture
def build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run the command; what it prints."""

    def run(*arguments: str) -> str:
        call_command("build_training_file", *arguments, "--output", str(tmp_path / "out"))
        return capsys.readouterr().out

    return run


def written(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_it_makes_the_file_and_writes_both_formats(build: Callable[..., str], tmp_path: Path) -> None:
    stored(1, 2, 3)

    found = json.loads(build("spring", "--conversation", "c3", "--conversation", "c1", "--json"))

    training_file = service.get_training_file(found["training_file"])
    json_file, lines = both_files(training_file)
    assert written(tmp_path) == {"spring.json": json_file, "spring.jsonl": lines}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "out").iterdir()} == {0o600}
    assert (found["conversations"], found["pairs"], found["version"]) == (2, 3, 1)
    assert found["files"]["json"] == {"path": str(tmp_path / "out" / "spring.json"), "bytes": len(json_file)}
    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c3", "c1"]


def test_all_are_those_that_are_enriched_the_oldest_first(build: Callable[..., str]) -> None:
    stored(2, 1, 3)

    assert "spring, version 1: 3 conversations, 6 pairs" in build("spring", "--all")

    training_file = TrainingFile.objects.get()
    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c2", "c1", "c3"]


def test_a_file_of_just_these_is_only_written(build: Callable[..., str], tmp_path: Path) -> None:
    stored(1, 2)
    build("spring", "--all")
    before, rows = written(tmp_path), everything()
    (tmp_path / "out" / "spring.json").write_text("old")

    build("spring", "--all")

    assert (written(tmp_path), everything()) == (before, rows)


@pytest.mark.parametrize("arguments", [["--all"], ["--conversation", "c1"], ["--conversation", "c2"]])
def test_a_file_of_others_is_neither_changed_nor_written(
    build: Callable[..., str], tmp_path: Path, arguments: list[str]
) -> None:
    made(1, 2, name="spring")
    stored(3)
    before = everything()

    with pytest.raises(CommandError, match="choose another name"):
        build("spring", *arguments)

    assert everything() == before
    assert written(tmp_path) == {}


def test_what_was_killed_goes_on(build: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(1, 2, 3)
    monkeypatch.setattr(builds, "BATCH", 1)
    times = []
    add = changing.add

    def killed(*arguments: Any, **options: Any) -> Any:
        times.append(1)
        if len(times) == 2:
            raise KeyboardInterrupt
        return add(*arguments, **options)

    monkeypatch.setattr(builds, "add", killed)
    with pytest.raises(CommandError, match="run the command again"):
        build("spring", "--all")
    stored(4)

    build("spring", "--all")

    training_file = TrainingFile.objects.get()
    assert [each for each, _ in service.conversations_in(training_file.pk)] == ["c1", "c2", "c3"]
    assert written(tmp_path)["spring.json"] == both_files(training_file)[0]


def test_it_says_what_was_forgotten_before_it_went_on(build: Callable[..., str]) -> None:
    stored(1, 2)
    builds.start_new_build(NewFile(name="spring"), conversation_ids=["c1", "c2"], by=ADA)
    delete_conversations(["c1"])

    shown = build("spring", "--conversation", "c1", "--conversation", "c2")

    assert "spring, version 1: 1 conversation," in shown
    assert "1 conversation left out, forgotten" in shown


def test_who_is_taken_over_by_another_run_tells_scripts_to_try_later(
    build: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(1, 2)

    def late(*args: Any, **kwargs: Any) -> TrainingFile:
        Build.objects.update(runner="another")  # as another run does when it begins
        return changing.add(*args, **kwargs)

    monkeypatch.setattr(builds, "add", late)

    with pytest.raises(CommandError, match="taken over") as refused:
        build("spring", "--all")
    assert refused.value.returncode == 75


def test_another_build_is_not_taken_up_for_these(build: Callable[..., str]) -> None:
    stored(1, 2)
    builds.start_new_build(NewFile(name="spring"), conversation_ids=["c1"], by=ADA)

    with pytest.raises(CommandError, match="other conversations"):
        build("spring", "--conversation", "c2")


def test_a_write_that_fails_leaves_the_old_file(
    build: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(1)
    build("spring", "--all")
    before = written(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CommandError, match="No space left"):
        build("spring", "--all")

    assert written(tmp_path) == before


@pytest.mark.parametrize("arguments", [["--conversation", "nobody"], ["--all"]])
def test_there_must_be_conversations(build: Callable[..., str], arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"no (such )?conversation"):
        build("spring", *arguments)

    assert not TrainingFile.objects.exists()


def test_a_sweep_removes_what_nothing_names(settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    training_file = made(1)
    write_loose("parts/00/orphan.json", b"{}")
    delete_conversations(["c1"])
    call_command("sweep_training_files", "--json")
    assert json.loads(capsys.readouterr().out) == {"removed": 0}

    settings.TRAINING_FILES = {"ORPHAN_HOURS": 0, "URL_SECONDS": 0}
    call_command("sweep_training_files")

    assert "2 files removed" in capsys.readouterr().out
    assert len(in_storage(["conversations", "parts"])) == 2
    both_files(training_file)
