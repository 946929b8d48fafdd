"""What may be asked of an export, and what may not."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson
import pytest

from training_archive.exports.exceptions import ExportError
from training_archive.exports.options import ExportOptions, parse_split


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        (".8/.1/.1", (Fraction(8, 10), Fraction(1, 10), Fraction(1, 10))),
        ("1", (Fraction(1),)),
        ("1/3 / 2/3".replace(" / ", "/"), None),
        ("0.7 / 0.3", (Fraction(7, 10), Fraction(3, 10))),
    ],
)
def test_a_split_is_read_exactly(text: str, shares: tuple[Fraction, ...] | None) -> None:
    if shares is not None:
        assert parse_split(text) == shares
    else:
        with pytest.raises(ExportError, match="make 1 in sum"):
            ExportOptions(format="csv", split=parse_split(text))


@pytest.mark.parametrize("text", ["", "half", ".8//.2", "nan", "inf"])
def test_what_is_no_split_is_refused(text: str) -> None:
    with pytest.raises(ExportError, match="is no split"):
        parse_split(text)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"source": "inbox"}, "not from 'inbox'"),
        ({"dedupe": "all"}, "not 'all'"),
        ({"since": datetime(2026, 1, 1)}, "needs its zone"),
        ({"until": datetime(2026, 1, 1)}, "needs its zone"),
        ({"since": datetime(2026, 1, 2, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)}, "comes before"),
        ({"since": datetime(2026, 1, 1, tzinfo=UTC), "until": datetime(2026, 1, 1, tzinfo=UTC)}, "comes before"),
        ({"since": datetime(2026, 1, 2, tzinfo=UTC), "until": datetime(2026, 1, 1)}, "needs its zone"),
        ({"near_threshold": 0}, "above 0"),
        ({"near_threshold": 1.1}, "above 0"),
        ({"near_threshold": float("nan")}, "above 0"),
        ({"held_out_ngram": 0}, "at least one word"),
        ({"split": parse_split(".8/.1")}, "make 1 in sum"),
        ({"split": parse_split(".5/.5/.5/-.5")}, "one to three"),
        ({"split": parse_split("1.5/-.5")}, "one to three"),
        ({"shard_rows": 0}, "at least one row"),
        ({"shard_bytes": -1}, "at least one row"),
        ({"slug": "a"}, "needs a schema"),
        ({"schema": "v1"}, "needs a schema"),
        ({"slug": "a", "schema": "v1", "split": parse_split(".5/.5")}, "cannot be split"),
    ],
)
def test_what_makes_no_sense_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ExportError, match=problem):
        ExportOptions(format="csv", **values)


def test_the_finetuner_splits_for_itself() -> None:
    assert ExportOptions(format="extraction", slug="a", schema="v1").shares == parse_split("1")
    assert ExportOptions(format="extraction").shares == parse_split(".8/.1/.1")


def test_options_are_plain_json_and_name_no_folders() -> None:
    options = ExportOptions(
        format="csv", held_out=(Path("/secret/folder/held.txt"),), since=datetime(2026, 1, 1, tzinfo=UTC)
    )

    text = orjson.dumps(options.as_json()).decode()

    assert '"held_out":["held.txt"]' in text
    assert "2026-01-01T00:00:00+00:00" in text
    assert "secret" not in text
