"""Splits: their shares, their strata, and what stays together."""

from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.training_archive.exports.material import example, lineage
from tests.unit.training_archive.material import write_archive
from training_archive.exports.options import parse_split
from training_archive.exports.splits import _largest_remainder
from training_archive.exports.units import _smallest_joined

Export = Callable[..., Any]

USUAL = parse_split(".8/.1/.1")


def splits_of(out: Path) -> dict[str, str]:
    return {example_id: split for example_id, (_, split, _) in lineage(out).items()}


@pytest.mark.django_db
def test_each_task_and_domain_has_its_share_in_every_split(export_of: Export, out: Path) -> None:
    rows = [
        example(f"{task}-{domain}-{n:02}", task=task, domain=domain)
        for task in ("shop", "nav")
        for domain in ("a.example", "b.example")
        for n in range(20)
    ]

    report = export_of(rows, split=USUAL)

    assert report.splits == {"train": 64, "validation": 8, "test": 8}
    strata = Counter((example_id[:-3], split) for example_id, split in splits_of(out).items())
    assert set(strata.values()) == {16, 2}


@pytest.mark.django_db
def test_many_domains_of_one_example_are_split_too(export_of: Export) -> None:
    rows = [example(f"{n:03}", url=f"https://u:p@Shop{n}.example:8000/item?at=a@b") for n in range(100)]

    assert export_of(rows, split=USUAL).splits == {"train": 80, "validation": 10, "test": 10}


@pytest.mark.django_db
def test_the_examples_of_a_conversation_stay_together(export_of: Export, out: Path) -> None:
    rows = [example(f"{n:03}", conversation=f"c{n // 5}") for n in range(100)]

    report = export_of(rows, split=USUAL)

    assert report.splits == {"train": 80, "validation": 10, "test": 10}
    of_conversation: dict[int, set[str]] = {}
    for example_id, split in splits_of(out).items():
        of_conversation.setdefault(int(example_id) // 5, set()).add(split)
    assert all(len(found) == 1 for found in of_conversation.values())


@pytest.mark.django_db
def test_one_prompt_stays_in_one_split(export_of: Export, out: Path) -> None:
    rows = [example(f"{n:03}", f"Question {n // 4}") for n in range(80)]

    export_of(rows, split=USUAL, dedupe="none")

    by_prompt: dict[int, set[str]] = {}
    for example_id, split in splits_of(out).items():
        by_prompt.setdefault(int(example_id) // 4, set()).add(split)
    assert all(len(found) == 1 for found in by_prompt.values())


@pytest.mark.django_db
@pytest.mark.parametrize("form", ["extraction", "trl-preference"])
def test_a_prompt_that_several_conversations_share_keeps_them_together(export_of: Export, out: Path, form: str) -> None:
    rows = [
        *(example(f"{n:03}", f"Hello {n // 4}", conversation=f"c{n}", task=f"t{n % 2}") for n in range(80)),
        *(example(f"{n + 100}", f"And then {n}?", conversation=f"c{n}") for n in range(80)),
        *(example(f"{n + 200}", f"And then {n}?", task="nav") for n in range(80)),
    ]
    rows = [
        {**row, "response_strong": f"Answer {row['id']}.", "metadata": {**row["metadata"], "correction": "Better."}}
        for row in rows
    ]

    report = export_of(rows, split=USUAL, dedupe="none", format=form)

    assert report.splits == {"train": 192, "validation": 24, "test": 24}
    by_greeting: dict[int, set[str]] = {}
    for example_id, split in splits_of(out).items():
        by_greeting.setdefault(int(example_id) % 100 // 4, set()).add(split)
    assert len(by_greeting) == 20
    assert all(len(found) == 1 for found in by_greeting.values())


@pytest.mark.django_db
def test_a_long_chain_of_shared_prompts_is_one_unit(export_of: Export, out: Path) -> None:
    chain = [example(f"{n:03}", f"Question {(n + 1) // 2}", conversation=f"c{n // 2}") for n in range(100)]

    export_of([*chain, *(example(f"{n}", f"Other {n}") for n in range(100, 200))], split=USUAL, dedupe="none")

    assert len({split for example_id, split in splits_of(out).items() if int(example_id) < 100}) == 1


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_joined_numbers_have_the_smallest_of_all_that_can_be_reached(pairs: list[tuple[int, int]]) -> None:
    expected = list(range(20))
    for _ in range(20):
        for one, other in pairs:
            expected[one] = expected[other] = min(expected[one], expected[other])

    assert list(_smallest_joined(pairs, 20)) == expected


@pytest.mark.django_db
def test_the_seed_decides_and_nothing_else_does(export: Export, export_of: Export, tmp_path: Path) -> None:
    rows = [example(f"{n:03}") for n in range(60)]
    export_of(rows, split=USUAL, out=tmp_path / "first")
    export(split=USUAL, out=tmp_path / "again")
    export(split=USUAL, seed=43, out=tmp_path / "other")

    first, again, other = (splits_of(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first != other
    assert Counter(first.values()) == Counter(other.values())


@pytest.mark.django_db
def test_the_same_examples_make_the_same_bytes_wherever_they_are(
    zip_path: Path, export: Export, tmp_path: Path
) -> None:
    rows = [example(f"{n:03}") for n in range(30)]
    write_archive(zip_path, rows[20:], rows[:20])
    write_archive(tmp_path / "other.zip", rows)

    export(split=USUAL, out=tmp_path / "one")
    export(split=USUAL, out=tmp_path / "two", zip_path=tmp_path / "other.zip")

    for split in ("train", "validation", "test"):
        assert (tmp_path / "one" / f"{split}.jsonl").read_bytes() == (tmp_path / "two" / f"{split}.jsonl").read_bytes()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", {"train": 10}), (".5/.5", {"train": 5, "validation": 5}), ("0.9/0/0.1", {"train": 9, "test": 1})],
)
def test_shares_may_be_fewer_or_nothing(export_of: Export, text: str, expected: dict[str, int]) -> None:
    report = export_of([example(f"{n}") for n in range(10)], split=parse_split(text))

    assert report.splits == expected


@pytest.mark.django_db
def test_without_a_word_on_it_the_usual_shares_apply(export_of: Export) -> None:
    report = export_of([example(f"{n}") for n in range(10)], split=None)

    assert report.splits == {"train": 8, "validation": 1, "test": 1}


@given(
    sizes=st.lists(st.integers(1, 50), max_size=60),
    parts=st.lists(st.integers(0, 9), min_size=1, max_size=3).filter(any),
)
def test_no_split_is_further_from_its_share_than_the_largest_unit(sizes: list[int], parts: list[int]) -> None:
    shares = [Fraction(part, sum(parts)) for part in parts]

    placed = list(_largest_remainder(((str(n), size) for n, size in enumerate(sizes)), shares))

    counts: Counter[str] = Counter()
    for (_, split), size in zip(placed, sizes, strict=True):
        counts[split] += size
    assert [unit for unit, _ in placed] == [str(n) for n in range(len(sizes))]
    for split, share in zip(("train", "validation", "test"), shares, strict=False):
        assert abs(counts[split] - share * sum(sizes)) <= 2 * max(sizes, default=0)
        assert share or not counts[split]
