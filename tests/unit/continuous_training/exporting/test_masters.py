"""The master files: as large as they may be, added to, written anew, and never over what others put there."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from capture_app.judgments import save_review
from continuous_training.exceptions import ExportRefused
from continuous_training.exporting.master import read_master
from continuous_training.exporting.service import export_finetune
from tests.unit.continuous_training.exporting.material import answers_in, files_in, said, several

pytestmark = pytest.mark.django_db

LIMIT = 1000  # some seven pairs


@pytest.fixture
def small_files(rules: Callable[..., None]) -> None:
    rules(MAX_FILE_BYTES=LIMIT)


def master_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("master_fine_tune*.jsonl"))


def all_answers(folder: Path) -> list[str]:
    return [answer for path in master_files(folder) for answer in answers_in(path)]


def expected(numbers: range) -> list[str]:
    return [f"It costs {number} pounds, no more." for number in numbers]


def test_no_file_is_larger_than_the_limit(exports: Path, small_files: None) -> None:
    several(20)

    report = export_finetune()

    names = [f"{report.exports[0]}-0000{number}-of-00003.jsonl" for number in range(3)]
    assert [file.name for file in report.files if "/" not in file.name] == names
    assert [answer for name in names for answer in answers_in(exports / name)] == expected(range(20))
    assert max(path.stat().st_size for path in exports.rglob("*.jsonl")) <= LIMIT


def test_a_pair_above_the_limit_is_left_out(exports: Path, small_files: None) -> None:
    said(answer="It costs five pounds. " * 50)
    said()

    assert export_finetune().counts.left_out == {"larger than a file may be": 1}
    assert len(all_answers(exports)) == 1


def test_files_that_are_full_stay_what_they_are(exports: Path, small_files: None) -> None:
    several(10)
    export_finetune()
    full = master_files(exports)[0]
    inode, content = full.stat().st_ino, full.read_bytes()
    for number in range(10, 20):
        said(answer=f"It costs {number} pounds, no more.")

    export_finetune()

    first, *_, last = master_files(exports)
    assert (first.name, last.name) == ("master_fine_tune-00000-of-00003.jsonl", "master_fine_tune-00002-of-00003.jsonl")
    assert (first.stat().st_ino, first.read_bytes()) == (inode, content)
    assert all_answers(exports) == expected(range(20))
    assert len(master_files(exports)) == 3


def test_a_pair_is_taken_out_of_a_file_that_is_full(exports: Path, small_files: None) -> None:
    ids = several(20)
    export_finetune()
    save_review(ids[2], by="ann", verdict="bad")

    export_finetune()

    assert all_answers(exports) == [*expected(range(2)), *expected(range(3, 20))]


def test_without_hard_links_files_are_copied(exports: Path, small_files: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(95, "Operation not supported")

    several(10)
    export_finetune()
    monkeypatch.setattr("os.link", refuse)
    said(answer="It costs 10 pounds, no more.")

    export_finetune()

    assert all_answers(exports) == expected(range(11))
    assert {path.stat().st_mode & 0o777 for path in master_files(exports)} == {0o600}


def test_the_manifest_names_the_files_of_each_task(exports: Path) -> None:
    several(2, task="shop")
    several(1, task="books")
    export_finetune()

    found = orjson.loads((exports / "master_fine_tune.manifest.json").read_bytes())

    assert found["pairs"] == 2
    assert {task: [(file["name"], file["pairs"]) for file in files] for task, files in found["tasks"].items()} == {
        "shop": [("tasks/shop/master_fine_tune.jsonl", 2)],
        "books": [("tasks/books/master_fine_tune.jsonl", 1)],
    }


@pytest.mark.parametrize("name", ["master_fine_tune.jsonl", "tasks/shop/master_fine_tune.jsonl"])
def test_a_master_that_no_export_wrote_is_not_touched(exports: Path, name: str) -> None:
    (exports / name).parent.mkdir(parents=True)
    (exports / name).write_text("somebody's\n")
    said()

    with pytest.raises(ExportRefused, match="Move it away"):
        export_finetune()

    assert (exports / name).read_text() == "somebody's\n"
    assert files_in(exports) == {name}
    (exports / name).unlink()
    assert export_finetune().counts.pairs == 1


def test_a_file_of_a_days_name_is_not_touched(exports: Path) -> None:
    said()
    [name] = export_finetune().exports
    (exports / f"{name}-2.manifest.json").write_text("somebody's\n")
    said(answer="It costs six pounds.")

    assert export_finetune().exports == [f"{name}-3"]


@pytest.mark.parametrize("content", [None, b"", b'{"cut": "short"}\n'])
def test_a_master_that_was_changed_is_not_added_to(exports: Path, content: bytes | None) -> None:
    said()
    export_finetune()
    path = exports / "master_fine_tune.jsonl"
    path.unlink() if content is None else path.write_bytes(content)
    said(answer="It costs six pounds.")

    with pytest.raises(ExportRefused, match="is not what was written there"):
        export_finetune()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"files": [{}], "tasks": {}}', b'{"files": [], "tasks": 3}'])
def test_a_manifest_that_was_changed_is_refused(exports: Path, content: bytes) -> None:
    exports.mkdir(parents=True)
    (exports / "master_fine_tune.manifest.json").write_bytes(content)

    with pytest.raises(ExportRefused, match="is not what was written there"):
        read_master(exports)


def test_masters_that_were_moved_away_are_made_anew_from_the_single_exports(exports: Path) -> None:
    several(2, task="shop")
    several(1, task="books")
    export_finetune()
    said(answer="It costs nine pounds.", task="shop")
    export_finetune()
    before = {path: path.read_bytes() for path in exports.rglob("master_fine_tune.jsonl")}
    for path in [*before, exports / "master_fine_tune.manifest.json"]:
        path.unlink()
    said(answer="It costs ten pounds.", task="shop")

    export_finetune()

    after = {path: path.read_bytes() for path in exports.rglob("master_fine_tune.jsonl")}
    assert after.keys() == before.keys()
    assert all(after[path].startswith(content) for path, content in before.items())
    assert all_answers(exports)[-1] == "It costs ten pounds."


def test_a_pair_that_was_judged_away_does_not_come_back_with_them(exports: Path) -> None:
    first, _ = several(2)
    export_finetune()
    save_review(first, by="ann", verdict="bad")
    export_finetune()
    for path in exports.rglob("master_fine_tune*"):
        path.unlink()
    said(answer="It costs ten pounds.")

    export_finetune()

    assert all_answers(exports) == ["It costs 1 pounds, no more.", "It costs ten pounds."]
