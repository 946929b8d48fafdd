"""What all tests share: a data directory of their own, and programs that may be missing."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin

from tests.migrating import migrated_database
from training_archive.app_lineage import load_lineage


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="let the fault tests run long: at least 200 kills")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """TRAINING_DATA_DIR of this test; nothing is in it yet."""
    return tmp_path / "backups"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to be copied: making them takes longer than most tests."""
    return migrated_database(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(autouse=True)
def capture(settings: Any, data_dir: Path) -> Callable[..., None]:
    """Capture into `data_dir`, offline. Call it to change keys of TRAINING_CAPTURE."""

    def configure(**keys: Any) -> None:
        settings.TRAINING_CAPTURE = {"DATA_DIR": data_dir, "DEFAULT_PROVIDER": "offline", **keys}

    configure()
    return configure


@pytest.fixture(scope="session", autouse=True)
def whole_registries() -> None:
    """What processes load when they need it is there for all tests alike, whichever comes first."""
    admin.autodiscover()
    load_lineage()


def find_program(program: str) -> str:
    """The path of a program; without it the test is skipped, or fails when REQUIRE_ALL is set."""
    path = shutil.which(program)
    if path is None and os.environ.get("REQUIRE_ALL"):
        pytest.fail(f"{program} is not installed, and REQUIRE_ALL allows no skip.")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


@pytest.fixture
def needs() -> Callable[[str], str]:
    """`find_program`."""
    return find_program
