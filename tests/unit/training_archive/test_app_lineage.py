"""Each app's module `lineage`: loaded by every question that it may have an answer to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from capture_app.put_aside import Wanted
from training_archive.copies import erase_copies, places, said_again
from training_archive.held_out import held_out_prompts
from training_archive.made_from import made_from

QUESTIONS: dict[str, Callable[[], Any]] = {
    "what was made from it": lambda: made_from(["a"]),
    "what says it again": lambda: said_again(Wanted(ids=["a"])),
    "what else keeps it": lambda: erase_copies(Wanted(ids=["a"])),
    "where it is kept": places,
    "what is held out": lambda: list(held_out_prompts()),
}


@pytest.fixture
def broken_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed app whose lineage cannot be imported."""
    (tmp_path / "broken_app").mkdir()
    (tmp_path / "broken_app" / "__init__.py").touch()
    (tmp_path / "broken_app" / "lineage.py").write_text("raise LookupError('it was asked')")
    monkeypatch.syspath_prepend(tmp_path)
    apps.set_installed_apps(["broken_app"])
    yield
    apps.unset_installed_apps()


@pytest.mark.usefixtures("broken_app")
@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_that_an_app_cannot_be_asked_is_not_answered_without_it(ask: Callable[[], Any]) -> None:
    with pytest.raises(LookupError, match="it was asked"):
        ask()
