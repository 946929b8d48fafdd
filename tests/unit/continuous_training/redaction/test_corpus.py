"""Precision and recall of every rule over the labelled corpus. `-s` prints the table."""

import pytest

from continuous_training.redaction import redact_text
from continuous_training.redaction.kinds import KINDS, NAME
from tests.unit.continuous_training.redaction.generated import PER_KIND, generated
from tests.unit.continuous_training.redaction.labelled import (
    CLAIMED,
    NOT_CLAIMED,
    Labelled,
    Mark,
    Score,
    differences,
    scores,
    written,
)

RECALL, PRECISION = 0.98, 0.95
RULES = [kind for kind in KINDS if kind != NAME]


def found(text: str) -> list[Mark]:
    return [Mark(span.start, span.end, span.kind) for span in redact_text(text).spans]


@pytest.fixture(scope="module")
def corpus() -> list[Labelled]:
    return [*written(*CLAIMED), *generated()]


@pytest.fixture(scope="module")
def by_kind(corpus: list[Labelled]) -> dict[str, Score]:
    by_kind = scores(corpus, found)
    print(f"\n{'rule':8} {'marks':>6} {'recall':>7} {'precision':>10}   over {len(corpus):,} texts")
    for kind, score in by_kind.items():
        print(f"{kind:8} {score.found + score.missed:6} {score.recall:7.3f} {score.precision:10.3f}")
    print(*differences(corpus, found), sep="\n")
    return by_kind


def test_the_corpus_is_large_and_mostly_of_the_kinds_that_are_claimed(corpus: list[Labelled]) -> None:
    by_hand = written(*CLAIMED)
    marks = [mark.kind for text in corpus for mark in text.marks]

    assert len(by_hand) >= 400
    assert sum(not text.marks for text in by_hand) >= 150
    assert all(marks.count(kind) >= PER_KIND for kind in RULES)
    assert set(marks) == set(RULES)


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_finds_what_it_claims(by_kind: dict[str, Score], kind: str) -> None:
    assert by_kind[kind].recall >= RECALL


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_leaves_what_only_looks_private(by_kind: dict[str, Score], kind: str) -> None:
    assert by_kind[kind].precision >= PRECISION


@pytest.mark.parametrize("kind", RULES)
def test_a_rule_holds_on_values_that_it_was_not_made_on(kind: str) -> None:
    score = scores(generated(seed=20270203, per_kind=60, only=kind), found)[kind]

    assert score.recall >= RECALL - 0.02  # a text in sixty is 0.017
    assert score.precision >= PRECISION


def test_what_is_not_claimed_is_told() -> None:
    for text in written(NOT_CLAIMED):
        print(f"{redact_text(text.text).text!r:70} of {text.text!r}")
