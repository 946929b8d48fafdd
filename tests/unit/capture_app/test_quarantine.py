"""Records that cannot be stored are kept byte for byte."""

import base64
from pathlib import Path

import orjson
import pytest

from capture_app import quarantine as module
from capture_app.quarantine import (
    BadRecord,
    count_quarantined,
    count_withheld,
    quarantine,
    quarantine_files,
    rewrite_without,
)


@pytest.mark.parametrize("raw", [b"", b"torn", b"\xff\xfe\0", "zażółć".encode()])
def test_the_bytes_come_back(tmp_path: Path, raw: bytes) -> None:
    quarantine(tmp_path, generation="g", batch_name="b", records=[BadRecord(raw, "no JSON")])

    line = orjson.loads((tmp_path / "quarantine" / "g" / "b.jsonl").read_bytes())
    assert base64.b64decode(line["raw"]) == raw
    assert line["reason"] == "no JSON"


def test_nothing_is_in_quarantine_at_first(tmp_path: Path) -> None:
    assert count_quarantined(tmp_path) == 0


def test_records_are_counted_over_all_generations_or_in_one(tmp_path: Path) -> None:
    bad = BadRecord(b"torn", "no JSON")
    quarantine(tmp_path, generation="one", batch_name="a", records=[bad, bad])
    quarantine(tmp_path, generation="one", batch_name="b", records=[bad])
    quarantine(tmp_path, generation="two", batch_name="a", records=[bad])

    assert count_quarantined(tmp_path) == 4
    assert count_quarantined(tmp_path, "one") == 3


def test_the_same_batch_again_replaces_its_file(tmp_path: Path) -> None:
    bad = BadRecord(b"torn", "no JSON")
    quarantine(tmp_path, generation="one", batch_name="a", records=[bad, bad])
    quarantine(tmp_path, generation="one", batch_name="a", records=[bad])

    assert count_quarantined(tmp_path) == 1


def test_what_was_withheld_is_counted_for_itself(tmp_path: Path) -> None:
    quarantine(tmp_path, generation="one", batch_name="a", records=[BadRecord(b"torn", "no JSON")])
    path = tmp_path / "quarantine" / "withheld" / "20260301-1.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"{}\n{}\n")

    assert (count_quarantined(tmp_path), count_withheld(tmp_path)) == (1, 2)


def test_a_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    bad = BadRecord(b"torn", "no JSON")
    quarantine(tmp_path, generation="one", batch_name="a", records=[bad])
    reads = module._count_lines_once.cache_info
    before = reads().misses
    for _ in range(3):
        assert count_quarantined(tmp_path) == 1
    quarantine(tmp_path, generation="one", batch_name="a", records=[bad, bad])

    assert count_quarantined(tmp_path) == 2
    assert reads().misses - before == 2


def test_a_file_that_was_removed_meanwhile_has_no_records(tmp_path: Path) -> None:
    assert module._count_lines(tmp_path / "gone.jsonl") == 0


def test_lines_are_left_out_and_the_others_stay_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\r\nc\nd")
    path.chmod(0o600)

    rewrite_without(path, {0, 2})

    assert path.read_bytes() == b"b\r\nd"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [path]


def test_a_file_without_lines_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\n")

    rewrite_without(path, {0})

    assert [*tmp_path.iterdir()] == []


def test_a_rewrite_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\n")

    def fail(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        rewrite_without(path, {0})

    assert path.read_bytes() == b"a\nb\n"
    assert [*tmp_path.iterdir()] == [path]


def test_what_was_withheld_is_no_file_of_the_quarantine(tmp_path: Path) -> None:
    for folder in ("generation", "withheld"):
        path = tmp_path / "quarantine" / folder / "file.jsonl"
        path.parent.mkdir(parents=True)
        path.touch()

    assert [path.parent.name for path in quarantine_files(tmp_path)] == ["generation"]
