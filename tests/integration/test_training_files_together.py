"""Eight processes that add to one training file at once lose nothing, on either database."""

import json
from pathlib import Path

import pytest

from tests.integration.conftest import project_in


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_processes_that_add_at_once_lose_nothing(tmp_path: Path, request: pytest.FixtureRequest, database: str) -> None:
    own = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if database == "postgres" else {}
    project = project_in(tmp_path, **own)

    process = project.run("-m", "tests.integration.adding_together")

    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert found["problems"] == [], process.stderr
    assert found["statuses"] == [0, *[1] * 7], process.stderr  # of those who wanted the same name one got it
