"""What an app holds out for its evaluations is in no data set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.exports.material import example, lineage, manifest, written_ids
from tests.unit.training_archive.test_held_out import LONG
from training_archive import held_out
from training_archive.held_out import HeldOutPrompt, register_held_out

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "_sources", [])
    register_held_out(lambda: [HeldOutPrompt("shop", "What is it?"), HeldOutPrompt("shop", LONG)])


def test_exact_and_near_duplicates_of_it_are_left_out_and_counted(export_of: Export, out: Path) -> None:
    near = LONG.replace("twelve", "eleven")
    rows = [example("a", "what IS it"), example("b", near), example("c", "What is it called?"), example("d", LONG)]

    report = export_of(rows)

    assert written_ids(out) == ["c"]
    assert report.left_out == {"held out": 3}
    assert manifest(out)["left_out"] == {"held out": 3}
    assert lineage(out)["b"][1:] == ("", "held out")


def test_files_with_held_out_prompts_count_besides(export_of: Export, out: Path, tmp_path: Path) -> None:
    file = tmp_path / "held.txt"
    file.write_text("And this?\n")
    rows = [example("a", "What is it?"), example("b", "And this?"), example("c", "Something else.")]

    report = export_of(rows, held_out=(file,))

    assert written_ids(out) == ["c"]
    assert report.left_out == {"held out": 2}


def test_nothing_is_written_when_it_cannot_be_told(export_of: Export, out: Path) -> None:
    def failing() -> list[HeldOutPrompt]:
        raise OSError("gone")

    register_held_out(failing)

    with pytest.raises(OSError, match="gone"):
        export_of([example("a")])
    assert not out.exists()
