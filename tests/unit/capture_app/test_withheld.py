"""Sealed examples: opened by the key that sealed them, and by no other."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.fernet import InvalidToken

from capture_app.blobs import Blob
from capture_app.quarantine import count_quarantined, count_withheld
from capture_app.withheld import Withholding, take_files, unseal, withhold
from tests.unit.capture_app.captured import example, quarantined
from tests.unit.capture_app.processes import in_child

BLOBS = [Blob("a" * 64, "image/png", bytes(range(256))), Blob("b" * 64, "audio/wav", b"")]


def test_a_sealed_example_is_opened_again(data_dir: Path) -> None:
    kept = example()

    withhold(data_dir, kept, BLOBS, "it failed")

    [line] = quarantined()
    assert (line["id"], line["task"], line["reason"]) == (kept.id, "shop", "it failed")
    assert unseal(line["sealed"]) == Withholding(kept.to_json_line(), BLOBS)


def test_after_a_new_secret_key_the_fallback_opens(data_dir: Path, settings: Any) -> None:
    withhold(data_dir, example(), [], "it failed")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "new"
    withhold(data_dir, example(), [], "it failed")

    before, after = quarantined()
    assert orjson.loads(unseal(before["sealed"]).line)["task"] == "shop"
    settings.SECRET_KEY_FALLBACKS = []
    assert orjson.loads(unseal(after["sealed"]).line)["task"] == "shop"
    with pytest.raises(InvalidToken):
        unseal(before["sealed"])


def test_the_same_example_is_sealed_differently_each_time(data_dir: Path) -> None:
    kept = example()
    withhold(data_dir, kept, BLOBS, "it failed")
    withhold(data_dir, kept, BLOBS, "it failed")

    first, second = quarantined()
    assert first["sealed"] != second["sealed"]


def test_nobody_else_may_read_it(data_dir: Path) -> None:
    withhold(data_dir, example(), [], "it failed")

    [path] = (data_dir / "quarantine" / "withheld").iterdir()
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_threads_and_forks_leave_whole_lines(data_dir: Path) -> None:
    def seal(_: object) -> None:
        withhold(data_dir, example(prompt_text="x" * 100_000), [], "it failed")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(seal, range(24)))
    in_child(lambda: seal(None))

    assert len(quarantined()) == 25
    assert count_withheld(data_dir) == 25
    assert count_quarantined(data_dir) == 0


def test_a_write_that_fails_leaves_no_half_line(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    withhold(data_dir, example(), [], "it failed")
    write, calls = os.write, []

    def fill_up(descriptor: int, line: bytes) -> int:
        calls.append(line)
        if len(calls) == 1:
            return write(descriptor, line[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", fill_up)
    with pytest.raises(OSError, match="No space"):
        withhold(data_dir, example(), [], "it failed")
    monkeypatch.undo()

    assert len(quarantined()) == 1


def test_no_example_is_lost_while_files_are_taken_away(data_dir: Path) -> None:
    def seal(number: int) -> None:
        withhold(data_dir, example(), [], "it failed")

    with ThreadPoolExecutor(4) as pool:
        sealing = [pool.submit(seal, number) for number in range(200)]
        taken = [path for _ in range(40) for path in take_files(data_dir)]
        for done in sealing:
            done.result()
    sizes = {path: path.stat().st_size for path in taken}
    take_files(data_dir)

    assert count_withheld(data_dir) == 200
    assert len({line["id"] for line in quarantined()}) == 200
    assert sizes == {path: path.stat().st_size for path in sizes}


def test_a_file_that_was_taken_keeps_its_name(data_dir: Path) -> None:
    withhold(data_dir, example(), [], "it failed")
    first = take_files(data_dir)
    withhold(data_dir, example(), [], "it failed")

    second = take_files(data_dir)

    assert first[0] in second
    assert len(second) == 2
