"""What the tests of the archive share."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from capture_app import call_llm
from tests.unit.training_archive.material import OLD, OLD_NAME, append_bytes, row, write_archive
from training_archive.services import archive_training_data

_HOLD_LOCK = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def zip_path(data_dir: Path) -> Path:
    """Where the archive of this test will be."""
    return data_dir / "llm_training_dataset.zip"


@pytest.fixture
def capture_calls() -> Callable[..., list[str]]:
    """Make real, offline calls that are captured; their ids."""

    def calls(count: int, *, task: str = "shop", **metadata: Any) -> list[str]:
        answers = [call_llm(f"Question {n}", task=task, training_metadata=metadata) for n in range(count)]
        return [answer.example_id for answer in answers if answer.example_id]

    return calls


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


@pytest.fixture
def interrupted_run() -> Callable[..., None]:
    """An archive run that dies in the named stage of its work."""

    def run(stage: str = "compacting", **options: Any) -> None:
        def die(at: str, done: int, total: int) -> None:
            if at == stage:
                raise Killed

        with suppress(Killed):
            archive_training_data(progress=die, **options)

    return run


@pytest.fixture
def lock_elsewhere() -> Callable[[Path], AbstractContextManager[None]]:
    """Hold a file lock in another process."""

    @contextmanager
    def hold(path: Path) -> Iterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", _HOLD_LOCK, str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield
            process.communicate()

    return hold


@pytest.fixture
def two_chunks(capture_calls: Callable[..., list[str]], zip_path: Path) -> Path:
    """An archive of two chunks."""
    for count in (1, 2):
        capture_calls(count)
        archive_training_data()
    return zip_path


@pytest.fixture(scope="module")
def two_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("two") / "archive.zip"
    write_archive(path, [row("a"), row("b")], [row("c", task="other")])
    return path


@pytest.fixture
def damaged(two_made: Path, tmp_path: Path) -> Path:
    """A copy of the ZIP of two chunks, for a test to damage."""
    (tmp_path / "zips").mkdir()
    return Path(shutil.copy(two_made, tmp_path / "zips" / "archive.zip"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command as the shell would; its standard output."""

    def run(*arguments: str | Path) -> str:
        capsys.readouterr()
        call_command(*map(str, arguments))
        return capsys.readouterr().out

    return run


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A ZIP that holds one chunk."""
    path = tmp_path / "zip" / "archive.zip"
    path.parent.mkdir()
    append_bytes(path, OLD, name=OLD_NAME)
    return path
