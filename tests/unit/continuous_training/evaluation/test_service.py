"""Evaluations, from the question to the figures."""

from collections.abc import Callable
from typing import Any

import pytest

from capture_app.exceptions import BudgetSpent
from capture_app.models import ForgottenExample, Spend
from capture_app.routing.config import Target
from continuous_training.evaluation.answering import ERRORS_IN_A_ROW
from continuous_training.evaluation.metrics import Metrics
from continuous_training.evaluation.service import gold_set
from continuous_training.evaluation.statistics import Interval, Outcomes
from continuous_training.evaluation.targets import incumbent_of, parse_target
from continuous_training.exceptions import EvaluationRefused, EvaluationStopped, JudgeMissing
from continuous_training.models import Evaluation
from tests.unit.continuous_training.evaluation.material import (
    BAD,
    GOOD,
    TASK,
    answer_of,
    asked_of,
    compare,
    gold,
    item,
    questions,
    record,
    right,
    write_gold,
)
from tests.unit.continuous_training.evaluation.models_served import Served, answering, failing

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


@pytest.fixture(autouse=True)
def two_models(served: Served) -> Served:
    """One that knows everything, and one that knows nothing."""
    served.says |= {"good": answering(right(100)), "bad": answering({})}
    return served


def metrics(evaluation: Evaluation) -> Metrics:
    return Metrics.from_json(evaluation.metrics)


def killed_after(count: int) -> Callable[[str, int, int], None]:
    """Progress that ends the run once so many answers are noted."""

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "asking" and done == count:
            raise Killed

    return progress


def test_of_a_better_candidate_the_whole_interval_is_above_0() -> None:
    found = metrics(compare(questions(20)))

    assert found.gain is not None
    assert found.gain.low > 0
    assert (found.candidate.score, found.outcomes) == (1.0, (20, 0, 0))


def test_of_a_worse_candidate_the_whole_interval_is_below_0() -> None:
    found = metrics(compare(questions(20), candidate=BAD, incumbent=GOOD))

    assert found.gain is not None
    assert found.gain.high < 0
    assert found.outcomes == (0, 0, 20)


def test_of_equal_ones_the_interval_includes_0(served: Served) -> None:
    served.says["good"] = answering({asked_of(n): answer_of(n) for n in range(0, 40, 2)})
    served.says["bad"] = answering({asked_of(n): answer_of(n) for n in range(1, 40, 2)})

    found = metrics(compare(questions(40), scorers=["exact"]))

    assert found.gain is not None
    assert found.gain.mean == 0
    assert found.gain.low < 0 < found.gain.high
    assert {name: each.gain and each.gain.mean for name, each in found.categories.items()} == {"even": 1, "odd": -1}


def test_a_model_beside_itself_gains_exactly_nothing() -> None:
    found = metrics(compare(questions(5), candidate=GOOD, incumbent=GOOD))

    assert found.gain == Interval(0, 0, 0)
    assert found.outcomes == Outcomes(0, 5, 0)


def test_both_sides_have_latency_tokens_and_cost() -> None:
    found = metrics(compare(questions(4)))

    assert found.incumbent is not None
    assert found.candidate.latency_ms_p50 is not None
    assert found.candidate.latency_ms_p95 is not None
    assert (found.candidate.input_tokens, found.candidate.output_tokens) == (36, 12)
    assert found.candidate.cost_usd_per_1000 == pytest.approx((9 * 1 + 3 * 2) / 1000)
    assert (found.incumbent.cost_usd_per_1000, found.incumbent.uncosted) == (None, 4)


def test_what_it_costs_is_noted_for_the_budgets() -> None:
    compare(questions(4))

    [spend] = Spend.objects.all()
    assert (spend.task, spend.purpose) == ("continuous_training.evaluation", "evaluation")
    assert spend.usd == pytest.approx(4 * 15e-6)


def test_without_an_incumbent_the_candidate_is_scored_by_itself(served: Served) -> None:
    found = metrics(compare(questions(3), incumbent=None))

    assert (found.incumbent, found.gain, found.outcomes) == (None, None, None)
    assert found.candidate.score == 1
    assert {model for model, _ in served.asked} == {"good"}


def test_items_with_slot_specs_are_scored_field_by_field(served: Served) -> None:
    served.says["good"] = lambda asked: '{"price": 5, "title": "x"}'
    asked = item("How much?", '{"price": 5, "title": "y"}', slot_specs={"price": "exact", "title": "exact"})

    evaluation = compare([asked])

    assert evaluation.scorer == "json_fields"
    assert metrics(evaluation).candidate.score == 0.5


def test_several_scorers_are_all_reported_and_the_first_decides() -> None:
    found = metrics(compare(questions(3), scorers=["exact", "token_f1", "chrf"]))

    assert found.incumbent is not None
    assert list(found.scorers) == ["exact", "token_f1", "chrf"]
    assert found.incumbent.score == found.incumbent.scores["exact"] == 0
    assert 0 < found.incumbent.scores["chrf"] < 1


def test_a_question_is_asked_with_its_settings(served: Served) -> None:
    tool = {"type": "function", "function": {"name": "look"}}
    compare([item("x", "y", settings={"parameters": {"temperature": 0.5}, "tools": [tool]})], incumbent=None)

    assert served.requests[0]["temperature"] == 0.5
    assert served.requests[0]["tools"] == [tool]


def test_an_error_scores_0_and_is_reported(served: Served) -> None:
    knows = right(12)
    served.says["good"] = lambda asked: failing(429)(asked) if asked == asked_of(3) else knows[asked]

    evaluation = compare(questions(12), scorers=["exact"])

    found = metrics(evaluation)
    assert found.candidate.errors == 1
    assert found.candidate.score == pytest.approx(11 / 12)
    assert "RateLimitError" in evaluation.items.get(number=3).candidate["error"]


def test_a_model_that_only_errs_stops_the_evaluation_and_none_of_it_counts(served: Served) -> None:
    served.says["bad"] = failing()

    with pytest.raises(EvaluationStopped, match=r"incumbent stub/bad.*InternalServerError.*goes on"):
        compare(questions(20))
    assert not Evaluation.objects.get().items.exclude(incumbent={}).exists()
    served.says["bad"] = answering({})
    found = compare(questions(20))

    assert Evaluation.objects.get() == found
    assert (found.state, found.problem, metrics(found).incumbent.errors) == ("done", "", 0)  # type: ignore[union-attr]  # there is one


def test_one_that_errs_on_all_of_a_few_items_stops_it_too(served: Served) -> None:
    served.says["good"] = failing()

    with pytest.raises(EvaluationStopped):
        compare(questions(3))


def test_errors_can_be_made_to_count(served: Served) -> None:
    served.says["good"] = failing()

    found = metrics(compare(questions(ERRORS_IN_A_ROW + 2), count_errors=True))

    assert (found.candidate.errors, found.candidate.score) == (ERRORS_IN_A_ROW + 2, 0)
    assert found.candidate.latency_ms_p50 is None


@pytest.mark.parametrize("concurrency", [1, 4])
def test_what_was_noted_before_a_kill_is_not_asked_again(served: Served, settings: Any, concurrency: int) -> None:
    settings.CONTINUOUS_TRAINING = {"EVALUATION_CONCURRENCY": concurrency}
    with pytest.raises(Killed):
        compare(questions(10), progress=killed_after(7))
    noted = {
        (target.model, asked_of(row.number))
        for row in Evaluation.objects.get().items.all()
        for side, target in (("candidate", GOOD), ("incumbent", BAD))
        if getattr(row, side)
    }

    found = compare(questions(10))

    assert len(noted) == 7
    assert all(served.times()[each] == 1 for each in noted)
    assert len(served.times()) == 20
    assert Evaluation.objects.get() == found
    assert metrics(found).items == 10


def test_another_request_begins_anew() -> None:
    with pytest.raises(Killed):
        compare(questions(3), progress=killed_after(1))

    compare(questions(3), scorers=["exact"])

    assert sorted(Evaluation.objects.values_list("scorer", "state")) == [("exact", "done"), ("token_f1", "running")]


def test_a_judge_that_is_missing_leaves_the_answers(served: Served, capture: Callable[..., None]) -> None:
    capture(**{**served.settings(), "ROUTES": {}, "DEFAULT_PROVIDER": "offline"})
    with pytest.raises(JudgeMissing):
        compare(questions(3), scorers=["llm_judge"])
    asked = len(served.asked)

    capture(**served.settings())
    served.says["judge"] = lambda asked: '{"better": "neither"}'
    found = compare(questions(3), scorers=["llm_judge"])

    assert {model for model, _ in served.asked[asked:]} == {"judge"}
    assert metrics(found).gain == Interval(0, 0, 0)
    assert metrics(found).judging_usd == pytest.approx(6 * 12e-6)
    assert Spend.objects.get(task="continuous_training.judge").usd == pytest.approx(6 * 12e-6)


def test_a_judge_that_falls_silent_stops_it_and_what_was_judged_stays(served: Served, settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {"EVALUATION_CONCURRENCY": 1}
    answers = iter(['{"better": "first"}', '{"better": "second"}'])
    served.says["judge"] = lambda asked: next(answers, None) or failing()(asked)
    with pytest.raises(EvaluationStopped, match="judge answers"):
        compare(questions(3), scorers=["llm_judge"])

    served.says["judge"] = lambda asked: '{"better": "neither"}'
    found = compare(questions(3), scorers=["llm_judge"])

    assert metrics(found).outcomes == (1, 2, 0)


def test_where_one_gave_no_answer_the_other_wins_without_a_judge(served: Served) -> None:
    served.says["bad"] = failing()
    served.says["judge"] = lambda asked: pytest.fail("It was asked.")

    found = metrics(compare(questions(3), scorers=["llm_judge"], count_errors=True))

    assert found.outcomes == (3, 0, 0)


def test_a_judge_without_an_incumbent_compares_with_what_is_expected(served: Served) -> None:
    served.says["judge"] = lambda asked: '{"better": "neither"}'

    found = metrics(compare(questions(3), candidate=BAD, incumbent=None, scorers=["llm_judge"]))

    assert found.candidate.score == 0.5


def test_a_spent_budget_stops_it_and_it_goes_on_later(served: Served, capture: Callable[..., None]) -> None:
    capture(**served.settings(), BUDGETS={"continuous_training.*": {"DAY": 0}})
    with pytest.raises(BudgetSpent):
        compare(questions(3))
    assert not served.asked
    assert "budget" in Evaluation.objects.get().problem

    capture(**served.settings())
    assert compare(questions(3)).state == "done"
    assert Evaluation.objects.count() == 1


def test_an_item_that_is_forgotten_before_it_begins_is_not_asked() -> None:
    ForgottenExample.objects.create(pk="e1", erasure="forget-1")

    evaluation = compare([item("A", "b", example_id="e1"), item("C", "d", example_id="e2")])

    assert metrics(evaluation).items == 1


def test_when_all_items_are_forgotten_it_fails_and_says_so() -> None:
    ForgottenExample.objects.create(pk="e1", erasure="forget-1")

    evaluation = compare([item("A", "b", example_id="e1")])

    assert (evaluation.state, evaluation.metrics) == ("failed", {})
    assert "erased on request" in evaluation.problem


def test_hostile_answers_are_kept_as_every_database_can_keep_them(served: Served) -> None:
    served.says["good"] = lambda asked: "a\0b \ud800"

    evaluation = compare([item("x\0y", "z")], incumbent=None)

    row = evaluation.items.get()
    assert row.candidate["text"] == "a b \ufffd"
    assert row.messages == [{"role": "user", "content": "x y"}]


def test_an_answer_without_end_is_cut(served: Served) -> None:
    served.says["good"] = lambda asked: "x" * 300_000

    evaluation = compare([item()], incumbent=None)

    assert len(evaluation.items.get().candidate["text"]) == 200_000


def test_a_model_is_named_by_provider_and_model(served: Served) -> None:
    assert parse_target("stub/google/gemma-3-270m-it") == Target("stub", "google/gemma-3-270m-it")
    for wrong in ("gpt", "/gpt", "stub/", ""):
        with pytest.raises(EvaluationRefused, match="no PROVIDER/MODEL"):
            parse_target(wrong)


def test_an_unknown_provider_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(EvaluationRefused, match="no provider 'gone'; there are offline, stub"):
        compare(questions(1), candidate=Target("gone", "x"))
    assert not Evaluation.objects.exists()


def test_the_incumbent_is_who_answers_the_task_now(served: Served, capture: Callable[..., None]) -> None:
    capture(**{**served.settings(), "ROUTES": {TASK: {"PROVIDER": "stub", "MODEL": "bad"}}})

    assert incumbent_of(TASK) == BAD


def test_the_tasks_own_gold_file_is_taken_when_none_is_named(settings: Any, tmp_path: Any) -> None:
    path = write_gold(tmp_path / "shop.jsonl", record())
    settings.CONTINUOUS_TRAINING = {"GOLD_SETS": {TASK: str(path)}}

    assert gold_set(TASK).name == "shop.jsonl"
    with pytest.raises(EvaluationRefused, match="hold_out_examples"):
        gold_set(TASK, held_out=True)
    with pytest.raises(EvaluationRefused, match="Nothing is held out of the task 'other'"):
        gold_set("other")


def test_a_gold_set_is_told_with_the_evaluation() -> None:
    asked = gold(*questions(2))

    assert compare(asked.items, gold=asked).gold == {
        "kind": "file",
        "name": "gold.jsonl",
        "sha256": asked.sha256(),
        "items": 2,
        "left_out": {},
    }
