"""Ratings, tags and corrections from columns of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training_archive.importing.annotations import annotations_in
from training_archive.importing.reading import Result


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"rating": "4"}, {"rating": 4}),
        ({"rating": 3.5}, {"rating": 3.5}),
        ({"rating": "good"}, {}),
        ({"rating": True}, {}),
        ({"rating": "nan"}, {}),
        ({"tags": "good, short ,"}, {"tags": ["good", "short"]}),
        ({"tags": '["good","a, b"]'}, {"tags": ["good", "a, b"]}),
        ({"tags": "[torn"}, {}),
        ({"tags": [1]}, {}),
        ({"correction": "6 EUR"}, {"correction": "6 EUR"}),
        ({"correction": " "}, {}),
        ({"other": 1}, {}),
    ],
)
def test_each_is_read_in_the_shape_that_exports_look_for(record: dict[str, Any], found: dict[str, Any]) -> None:
    assert annotations_in(record) == found


def test_columns_of_a_csv_get_into_the_metadata(read: Callable[..., list[Result]], tmp_path: Path) -> None:
    path = tmp_path / "rated.csv"
    path.write_text('prompt_text,response_strong,rating,tags,correction,shop\nWhat?,That.,5,"a,b",This.,north\n')

    [result] = read(path)

    assert result.example is not None
    metadata = dict(result.example.metadata)
    assert metadata.pop("gleaner")["imported_from"]["other"] == {"shop": "north"}
    assert metadata == {"rating": 5, "tags": ["a", "b"], "correction": "This."}


def test_what_the_metadata_says_already_is_kept(read: Callable[..., list[Result]], write_lines: Any) -> None:
    record = {"prompt_text": "a", "response_strong": "b", "metadata": {"rating": 1}, "rating": 5}

    [result] = read(write_lines(record))

    assert result.example is not None
    assert result.example.metadata["rating"] == 1
    assert result.example.metadata["gleaner"]["imported_from"]["other"] == {"rating": 5}
