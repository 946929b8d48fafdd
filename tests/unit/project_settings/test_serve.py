"""What `make serve` does before it starts anything."""

import socket
import stat
from pathlib import Path

import pytest
from django.db import OperationalError

from project_settings import serve


def test_a_key_that_only_its_owner_can_read_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"

    serve.make_secret_key(path)
    first = path.read_text()
    serve.make_secret_key(path)

    assert len(first.strip()) >= 50
    assert path.read_text() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def serve_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Call `serve.main` with this; a start is an error."""

    def fail(*arguments: object) -> None:
        raise AssertionError("Something was started.")

    monkeypatch.setenv("TRAINING_DATA_DIR", str(tmp_path / "backups"))
    monkeypatch.setattr(serve, "_become_supervisord", fail)
    return monkeypatch


def test_a_port_that_is_taken_is_an_error_that_names_it(serve_refuses: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve_refuses.setenv("PORT", str(port))

        with pytest.raises(SystemExit, match=rf"port {port} of 127\.0\.0\.1 cannot be used \(Address already in use\)"):
            serve.main()


def test_an_address_of_another_machine_is_an_error_that_names_it(serve_refuses: pytest.MonkeyPatch) -> None:
    serve_refuses.setenv("BIND", "192.0.2.1")

    with pytest.raises(SystemExit, match=r"port 8000 of 192\.0\.2\.1 cannot be used"):
        serve.main()


def test_a_database_that_is_away_is_an_error_and_no_traceback(serve_refuses: pytest.MonkeyPatch) -> None:
    def call_command(name: str, **options: object) -> None:
        raise OperationalError("connection refused")

    serve_refuses.setenv("PORT", "0")
    serve_refuses.setattr(serve, "call_command", call_command)

    with pytest.raises(SystemExit, match="Nothing was started: connection refused"):
        serve.main()


def test_a_data_directory_that_cannot_be_made_is_an_error_and_no_traceback(
    serve_refuses: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    serve_refuses.setenv("TRAINING_DATA_DIR", str(tmp_path / "file" / "backups"))

    with pytest.raises(SystemExit, match=r"Nothing was started: .*Not a directory"):
        serve.main()
