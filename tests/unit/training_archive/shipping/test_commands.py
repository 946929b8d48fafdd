"""`ship_archive` and `fetch_archive`: what they print, and how they end."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.unit.training_archive.material import rewrite_member
from tests.unit.training_archive.shipping.material import (
    ACTIVE,
    DATED,
    add_blob,
    change_manifest,
    flip_byte,
    manifest_in,
    prune,
    zips_in,
)

pytestmark = pytest.mark.django_db

Append = Callable[..., None]
Command = Callable[..., str]
Lock = Callable[[Path], AbstractContextManager[None]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command as the shell would; its standard output."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        call_command(*arguments)
        return capsys.readouterr().out

    return run


def failure(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as failed:
        call_command(*arguments)
    return failed.value


def test_shipping_says_what_was_sent_and_deleted(append: Append, roll: Callable[[], Path], command: Command) -> None:
    append("a")
    dated = roll()
    append("b")

    first = command("ship_archive")
    prune(dated)
    second = command("ship_archive")

    assert first.startswith(f"Shipped {DATED}.\nShipped {ACTIVE}.\nelsewhere has 2 ZIPs and 0 blobs; ")
    assert second.startswith(f"Deleted {DATED} there.\nelsewhere has 1 ZIP and 0 blobs; 0 B sent in ")


def test_shipping_says_which_blobs_are_damaged(append: Append, data_dir: Path, command: Command) -> None:
    append("a")
    (data_dir / add_blob(data_dir, b"an image")).write_bytes(b"")

    assert "1 blob gone or damaged here, not shipped." in command("ship_archive")


def test_shipping_prints_one_json_object_on_request(append: Append, command: Command) -> None:
    append("a")

    printed = json.loads(command("ship_archive", "--json"))

    assert (printed["storage"], printed["sent"], printed["deleted"]) == ("elsewhere", [ACTIVE], [])


def test_a_recheck_sends_what_is_wrong_there(append: Append, elsewhere: Path, command: Command) -> None:
    append("a")
    command("ship_archive")
    flip_byte(elsewhere / ACTIVE, 100)

    assert f"Shipped {ACTIVE}." in command("ship_archive", "--recheck")


def test_a_loss_of_the_copy_must_be_meant(append: Append, zip_path: Path, command: Command) -> None:
    append("a")
    command("ship_archive")
    zip_path.unlink()

    assert "say `manage.py ship_archive --allow-loss`" in str(failure("ship_archive"))
    assert f"Deleted {ACTIVE} there." in command("ship_archive", "--allow-loss")


def test_another_ship_at_work_ends_with_status_75(append: Append, data_dir: Path, lock_elsewhere: Lock) -> None:
    append("a")

    with lock_elsewhere(data_dir / ".ship.lock"):
        assert failure("ship_archive").returncode == 75


def test_fetching_says_what_came(append: Append, roll: Callable[[], Path], host: Path, command: Command) -> None:
    append("a")
    command("ship_archive")

    first = command("fetch_archive", f"--to={host}")
    dated = roll()
    append("b")
    command("ship_archive")
    second = command("fetch_archive", f"--to={host}")
    prune(dated)
    command("ship_archive")
    kept = command("fetch_archive", f"--to={host}", "--keep")
    third = command("fetch_archive", f"--to={host}")

    assert first.startswith(f"Fetched {ACTIVE}.\n{host} has 1 ZIP and 0 blobs as shipped at 20")
    assert second.startswith(f"Fetched {ACTIVE}.\nRenamed to {DATED}.\n")
    assert kept.startswith(f"Left, though no longer in the archive, {DATED}.\n")
    assert third.startswith(f"Removed {DATED}.\n")


def test_a_loss_of_the_host_must_be_meant(
    append: Append, roll: Callable[[], Path], host: Path, elsewhere: Path, command: Command
) -> None:
    append("a")
    roll()
    append("b")
    command("ship_archive")
    command("fetch_archive", f"--to={host}")
    values = manifest_in(elsewhere)
    change_manifest(elsewhere, files=values["files"][1:])

    assert "say --allow-loss" in str(failure("fetch_archive", f"--to={host}"))
    assert f"Removed {DATED}." in command("fetch_archive", f"--to={host}", "--allow-loss")


def test_without_any_archive_nothing_is_shipped(elsewhere: Path, command: Command) -> None:
    assert command("ship_archive").startswith("There is no archive here.\nelsewhere has 0 ZIPs and 0 blobs; ")
    assert not elsewhere.exists()


def test_fetching_prints_one_json_object_on_request(append: Append, host: Path, command: Command) -> None:
    append("a")
    command("ship_archive")

    printed = json.loads(command("fetch_archive", "--from=elsewhere", f"--to={host}", "--json"))

    assert (printed["storage"], printed["fetched"], printed["problems"]) == ("elsewhere", [ACTIVE], [])


def test_a_damaged_member_ends_with_status_1_and_its_name(
    append: Append, host: Path, zip_path: Path, command: Command
) -> None:
    append("a")
    rewrite_member(zip_path, "llm_training_chunk_0000.json", None)
    command("ship_archive")

    error = failure("fetch_archive", f"--to={host}")

    assert error.returncode == 1
    assert "1 problem, the same where it was shipped:\n" in str(error)
    assert "llm_training_chunk_0000.duckdb" in str(error)


def test_another_fetch_at_work_ends_with_status_75(host: Path, lock_elsewhere: Lock) -> None:
    with lock_elsewhere(host / f".{ACTIVE}.lock"):
        assert failure("fetch_archive", f"--to={host}").returncode == 75


def test_an_unknown_storage_ends_with_status_1(host: Path) -> None:
    error = failure("fetch_archive", "--from=nowhere", f"--to={host}")

    assert (error.returncode, "no usable alias 'nowhere'" in str(error), ".." in str(error)) == (1, True, False)
    assert zips_in(host) == {}
