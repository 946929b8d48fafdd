"""What is erased from quarantine is known by the record, and by what somebody made of it."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from capture_app.put_aside import Wanted, erase_quarantined, ids_put_aside

HERS = '{"id": "e-1"}'
RAW = base64.b64encode(HERS.encode()).decode()


@pytest.mark.parametrize(
    "line",
    [
        {"raw": RAW, "text": HERS},
        {"raw": RAW, "text": '{"id": "another"}'},
        {"raw": RAW},
        {"raw": RAW, "text": None},
        {"raw": "no base64 any more", "text": HERS},
        {"text": HERS},
    ],
    ids=json.dumps,
)
def test_a_record_is_erased_however_its_line_was_edited(tmp_path: Path, line: dict[str, Any]) -> None:
    path = tmp_path / "quarantine" / "generation" / "batch.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(f"{json.dumps(line)}\n{json.dumps({'raw': '', 'text': 'of somebody else'})}\n")
    wanted = Wanted(ids={"e-1"})

    assert ids_put_aside(tmp_path, wanted) == {"e-1"}
    assert erase_quarantined(tmp_path, wanted) == 1
    assert path.read_text().count("\n") == 1
