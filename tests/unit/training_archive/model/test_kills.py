"""Moments to be killed in that once left something behind, each followed by what made it show."""

import pytest

from tests.unit.training_archive.model.history import History
from tests.unit.training_archive.model.installation import Installations

SHARED = {"conversation": "c1", "task": "shop", "picture": ""}
ADA, BOB = {**SHARED, "user": "ada"}, {**SHARED, "user": "bob"}


@pytest.fixture
def history(make: Installations) -> History:
    return History(make.new())


@pytest.fixture
def stored_twice(history: History) -> History:
    """An archive run was killed after its append: the chunk is in the ZIP, and its sealed file is still there."""
    history.capture(ADA)
    history.do("archive", roll=False)
    history.capture(BOB)
    assert history.do("archive", "unlink in _store", roll=False)
    assert history.model.view["sealed"]
    return history


def test_a_chunk_whose_sealed_file_is_still_there_is_not_stored_again_after_a_merge(stored_twice: History) -> None:
    stored_twice.do("merge")

    stored_twice.settle()


def test_such_a_chunk_is_pruned_once_its_sealed_file_is_gone(stored_twice: History) -> None:
    stored_twice.do("prune", hours=99)
    stored_twice.do("archive", roll=False)
    stored_twice.do("prune", hours=99)

    stored_twice.settle()


def test_blobs_go_though_an_archive_run_left_their_examples_out(history: History) -> None:
    history.capture({**ADA, "picture": "own"})
    assert history.do("erase", "duckdb in _remove_from_archive", user="ada")
    history.do("archive", roll=False)

    history.do("erase", user="ada")

    assert history.model.view["blobs"] == []


def test_a_pruning_that_was_killed_is_finished_by_the_next(history: History) -> None:
    history.capture({**ADA, "picture": "own"}, BOB)
    history.do("archive", roll=False)
    assert history.do("prune", "open in rewrite_zip", hours=99)

    history.do("prune", hours=99)

    history.settle()
    assert history.model.view["index"] == history.model.view["blobs"] == []


def test_an_import_that_was_killed_leaves_no_text_of_the_forgotten(history: History) -> None:
    history.capture(ADA)
    history.do("archive", roll=False)
    assert history.take_in(list(history.model.facts), "replace in take_in")
    assert history.model.view["temporary"]

    history.do("erase", user="ada")

    assert history.model.view["temporary"] == []


def test_what_no_id_leads_to_is_erased_before_a_kill_leaves_the_rest_to_another_request(history: History) -> None:
    history.capture(ADA)
    history.site.do(
        "spoil", text='{"id": "x", "metadata": {"gleaner": {"user_id": "ada"}}, "prompt_text": "secret-77777;'
    )
    history.do("drain")
    assert history.do("erase", "duckdb in _remove_from_archive", user="ada")

    history.do("erase", user="bob")

    assert not list(history.site.data_dir.glob("quarantine/*/*.jsonl"))


def test_a_request_that_was_killed_reaches_what_came_before_it_was_finished(history: History) -> None:
    history.capture(ADA, {**BOB, "conversation": "c2"})
    assert history.do("erase", "duckdb in _remove_from_archive", conversation="c1")
    history.capture(ADA)

    assert history.do("erase", "duckdb in _remove_from_archive")
    history.do("erase")

    assert len(history.model.view["forgotten"]) == 2
    history.settle()
