"""The documents tell the truth: their code runs as typed, and they name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from capture_app import call_llm
from capture_app.conf import KEYS
from capture_app.example import COLUMNS
from training_archive.services import archive_training_data

ROOT = Path(__file__).resolve().parents[2]


def code_blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.django_db
@pytest.mark.parametrize("number", [0, 1], ids=["with Gleaner's reader", "with zipfile and DuckDB alone"])
def test_the_training_side_runs_as_typed(number: int, tmp_path: Path) -> None:
    for _ in range(3):
        call_llm("Extract the price", task="productpage_extractor", training_metadata={})
    archive_training_data(zip_path=tmp_path / "data" / "raw" / "llm_training_dataset.zip")

    done = subprocess.run(
        [sys.executable, "-c", code_blocks("docs/formats.md")[number]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "3" in done.stdout.splitlines()[-1]


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    ours = [name for name, app in get_commands().items() if app in ("capture_app", "training_archive")]

    assert ours
    assert [name for name in ours if f"`{name}`" not in readme] == []


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()

    assert [key for key in KEYS if f"`{key}`" not in readme] == []


def test_the_schema_in_the_formats_is_the_schema() -> None:
    [schema] = re.findall(r"CREATE TABLE examples \((.*?)^\)", (ROOT / "docs/formats.md").read_text(), re.DOTALL | re.M)
    columns = re.findall(r"^    (\w+) (\w+)", schema, re.MULTILINE)

    assert dict(columns) == {name: "TEXT" if kind == "VARCHAR" else kind for name, kind in COLUMNS.items()}


def test_every_folder_has_a_caption() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {path.partition("/")[0] for path in tracked.splitlines() if "/" in path} - {".ci"}

    assert [folder for folder in sorted(folders) if f"`{folder}/" not in contributing] == []
