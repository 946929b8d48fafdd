"""Records that cannot be stored are kept byte for byte."""

import base64
from pathlib import Path

import orjson
import pytest

from capture_app.quarantine import BadRecord, count_quarantined, quarantine


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
