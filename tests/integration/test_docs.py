"""The documents tell the truth: their code runs as typed, and they name what there is."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.core.management import get_commands

from capture_app import call_llm
from capture_app.conf import KEYS
from capture_app.example import COLUMNS
from continuous_training.conf import DEFAULTS as LOOP_DEFAULTS
from training_archive.services import archive_training_data
from training_files.conf import DEFAULTS

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


@pytest.mark.parametrize(
    ("apps", "document"),
    [
        (("capture_app", "training_archive"), "README.md"),
        (("training_files",), "docs/training_files.md"),
        (("continuous_training",), "docs/continuous_training.md"),
    ],
)
def test_every_command_is_in_its_document(apps: tuple[str, ...], document: str) -> None:
    text = (ROOT / document).read_text()
    ours = [name for name, app in get_commands().items() if app in apps]

    assert ours
    assert [name for name in ours if not re.search(rf"`{name}[` ]|manage.py {name}", text)] == []


@pytest.mark.parametrize(
    ("keys", "document"),
    [(KEYS, "README.md"), (DEFAULTS, "docs/training_files.md"), (LOOP_DEFAULTS, "docs/continuous_training.md")],
)
def test_every_setting_is_in_its_document(keys: Iterable[str], document: str) -> None:
    text = (ROOT / document).read_text()

    assert [key for key in keys if f"`{key}`" not in text] == []


def test_the_schema_in_the_formats_is_the_schema() -> None:
    [schema] = re.findall(r"CREATE TABLE examples \((.*?)^\)", (ROOT / "docs/formats.md").read_text(), re.DOTALL | re.M)
    columns = re.findall(r"^    (\w+) (\w+)", schema, re.MULTILINE)

    assert dict(columns) == {name: "TEXT" if kind == "VARCHAR" else kind for name, kind in COLUMNS.items()}


def test_every_folder_has_a_caption() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {path.partition("/")[0] for path in tracked.splitlines() if "/" in path} - {".ci"}

    assert [folder for folder in sorted(folders) if f"`{folder}/" not in contributing] == []
