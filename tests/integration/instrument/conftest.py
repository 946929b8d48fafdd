"""A scripted server, and an instrumented client of it."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from capture_app import instrument
from capture_app.metrics import capture_failures_total
from tests.integration.openai_server import ScriptedServer, scripted_server
from tests.integration.side_by_side import client_for


@pytest.fixture(autouse=True)
def no_certificates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing here speaks TLS, and to load the system's certificates is most of what a new client costs."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.fixture(scope="package")
def running_server() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def server(running_server: ScriptedServer) -> ScriptedServer:
    """Nobody has asked it anything, and it has no answers yet."""
    running_server.start_anew()
    return running_server


@pytest.fixture
def bare_client(server: ScriptedServer) -> Iterator[Any]:
    with client_for(server) as client:
        yield client


@pytest.fixture
def client(bare_client: Any) -> Any:
    return instrument(bare_client, provider="openai")


@pytest.fixture
def no_failures() -> Iterator[None]:
    """Nothing may go wrong behind the caller's back either."""
    yield
    assert capture_failures_total() == {}


@pytest.fixture
def young_garbage() -> Iterator[None]:
    """`gc.collect` looks through what this test made, and not through every module that is loaded."""
    gc.freeze()
    yield
    gc.unfreeze()
