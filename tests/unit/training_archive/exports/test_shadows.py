"""What a shadow answered was used by nobody, and is taught to nobody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.training_archive.exports.material import example, written_ids

pytestmark = pytest.mark.django_db

Export = Callable[..., Any]
SHADOW: dict[str, Any] = {"gleaner": {"shadow_of": "a"}}


def test_a_shadows_answer_is_left_out_and_counted(export_of: Export, out: Path) -> None:
    report = export_of([example("a", "same"), example("b", "same", **SHADOW)], dedupe="none")

    assert written_ids(out) == ["a"]
    assert report.left_out == {"answer of a shadow": 1}


def test_it_takes_the_place_of_no_answer_that_was_used(export_of: Export, out: Path) -> None:
    export_of([example("a", "same", rating=0.5), example("b", "same", rating=1.0, **SHADOW)])

    assert written_ids(out) == ["a"]


def test_a_correction_may_be_taught(export_of: Export, out: Path) -> None:
    export_of([example("b", correction="What it should have said.", **SHADOW)])

    assert written_ids(out) == ["b"]


def test_who_wants_them_has_them(export_of: Export, out: Path) -> None:
    export_of([example("a"), example("b", **SHADOW)], with_shadows=True)

    assert written_ids(out) == ["a", "b"]
