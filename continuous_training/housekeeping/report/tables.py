"""The tables of a report."""

from collections.abc import Sequence
from typing import Final

from capture_app.routing.config import Target
from capture_app.shown import short
from capture_app.wording import counted
from continuous_training.evaluation.pictures import interval_picture
from continuous_training.evaluation.statistics import Interval
from continuous_training.housekeeping.report import svg
from continuous_training.housekeeping.report.budgets import BudgetUse
from continuous_training.housekeeping.report.calls import Answerer, Calls
from continuous_training.housekeeping.report.facts import MonthFacts, PromotionFacts, RunFacts
from continuous_training.housekeeping.report.quality import Compared, Judged
from continuous_training.housekeeping.report.savings import Saved
from continuous_training.housekeeping.report.shapes import Cell, Table
from continuous_training.housekeeping.report.words import UNKNOWN, duration, moment, money, score, signed

_ROWS: Final = 100  # of a table; the JSON has all
_FIGURES: Final = ("calls", "tokens in", "tokens out", "cost", "of unknown cost", "latency p50", "p95")


def _name(text: str) -> Cell:
    return Cell(short(text) or "unnamed", is_name=bool(text))


def _model(provider: str, model: str) -> Cell:
    return _name(str(Target(provider, model)))


def _number(value: int) -> Cell:
    return Cell(f"{value:,}")


def _barred(text: str, value: float, highest: float) -> Cell:
    return Cell(text, bar=svg.share(value, highest))


def _table(title: str, description: str, head: Sequence[str], rows: Sequence[list[Cell]], *, nothing: str) -> Table:
    shown, left_out = list(rows[:_ROWS]), len(rows) - _ROWS
    return Table(
        title=title,
        description=description,
        head=[Cell(word, is_name=any(row[place].is_name for row in shown)) for place, word in enumerate(head)],
        rows=shown,
        nothing=nothing,
        more=f"{counted(left_out, 'more row')} in the JSON beside this page." if left_out > 0 else "",
    )


def _figures(found: Calls, highest: float) -> list[Cell]:
    return [
        _barred(f"{found.calls:,}", found.calls, highest),
        _number(found.input_tokens),
        _number(found.output_tokens),
        Cell(money(found.cost_usd)),
        _number(found.uncosted),
        Cell(duration(found.percentile(50))),
        Cell(duration(found.percentile(95))),
    ]


def tasks_table(facts: MonthFacts) -> Table:
    found = sorted(facts.calls.by_task().items(), key=lambda item: (-item[1].calls, item[0]))
    highest = max((each.calls for _, each in found), default=0)
    return _table(
        "Tasks",
        "Captured calls by task, as of the last drain. Latencies are within 3 %.",
        ("task", *_FIGURES),
        [[_name(task), *_figures(each, highest)] for task, each in found],
        nothing="No call was captured.",
    )


def models_table(facts: MonthFacts) -> Table:
    found = sorted(facts.calls.by_answerer.items(), key=lambda item: (-item[1].calls, item[0]))
    highest = max((each.calls for _, each in found), default=0)
    return _table(
        "Models",
        "The same, by who answered. A shadow was asked as well, and nobody used its answers.",
        ("model", "task", *_FIGURES),
        [[_answerer(who), _name(who.task), *_figures(each, highest)] for who, each in found],
        nothing="No call was captured.",
    )


def _answerer(who: Answerer) -> Cell:
    cell = _model(who.provider, who.model)
    return Cell(f"{cell.text} (shadow)", is_name=True) if who.is_shadow else cell


def savings_table(facts: MonthFacts) -> Table:
    highest = max((each.saved_usd or 0.0 for each in facts.savings.models), default=0.0)
    return _table(
        "Savings",
        "What trained models answered, at the price of the model that would have answered otherwise. Its cached tokens "
        "would have been cheaper; machines of one's own count as nothing.",
        ("trained model", "task", "instead of", "calls", "tokens", "would have cost", "cost", "saved"),
        [_saved(each, highest) for each in facts.savings.models],
        nothing="No trained model has answered a call.",
    )


def _saved(each: Saved, highest: float) -> list[Cell]:
    return [
        _name(each.model),
        _name(each.task),
        _name(each.instead_of) if each.instead_of else Cell(UNKNOWN),
        _number(each.calls),
        _number(each.input_tokens + each.output_tokens),
        Cell(money(each.would_have_cost_usd)),
        Cell(money(each.cost_usd)),
        _barred(money(each.saved_usd), each.saved_usd or 0.0, highest),
    ]


def evaluations_table(found: Sequence[Compared]) -> Table:
    return _table(
        "Evaluations",
        "Candidates beside their incumbents, on the same items. The gain has its 95 % interval: one that includes 0 "
        "says nothing.",
        ("task", "candidate", "incumbent", "items", "scorer", "candidate's score", "incumbent's", "gain", "interval"),
        [_compared(each) for each in found],
        nothing="No evaluation was finished.",
    )


def _compared(each: Compared) -> list[Cell]:
    gain = Interval(**each.gain) if each.gain else None
    return [
        _name(each.task),
        _name(each.candidate),
        _name(each.incumbent) if each.incumbent else Cell("none"),
        _number(each.items),
        _name(each.scorer),
        Cell(score(each.candidate_score)),
        Cell(score(each.incumbent_score)),
        Cell(signed(gain.mean) if gain else ""),
        Cell(
            f"{signed(gain.low)} to {signed(gain.high)}" if gain else "",
            picture=interval_picture(gain) if gain else None,
        ),
    ]


def judgments_table(found: Sequence[Judged]) -> Table:
    highest = max((each.good + each.bad for each in found), default=0)
    return _table(
        "Ratings and verdicts",
        "What applications and people said in this month of answers, by who gave those.",
        ("task", "model", "ratings", "mean rating", "good verdicts", "bad verdicts"),
        [
            [
                _name(each.task),
                _model(each.provider, each.model),
                _number(each.ratings),
                Cell(score(each.mean_rating)),
                _barred(f"{each.good:,}", each.good, highest),
                _barred(f"{each.bad:,}", each.bad, highest),
            ]
            for each in found
        ],
        nothing="Nothing was said of any answer.",
    )


def budgets_table(found: Sequence[BudgetUse]) -> Table:
    return _table(
        "Budgets",
        "Limits are those of today. Of a day's budget it is the day that cost most.",
        ("tasks", "for a", "limit", "spent", "of the limit", "days at its end", "alerts"),
        [
            [
                _name(each.tasks),
                Cell(each.period.lower()),
                Cell(money(each.limit_usd)),
                Cell(money(each.spent_usd)),
                Cell(f"{each.percent:,.0f} %", bar=svg.share(each.percent, 100.0), is_over=each.percent >= 100),
                _number(each.times_spent) if each.period == "DAY" else Cell("yes" if each.times_spent else ""),
                _number(each.alerts),
            ]
            for each in found
        ],
        nothing="There are no budgets: BUDGETS is empty.",
    )


def noted_table(facts: MonthFacts) -> Table:
    return _table(
        "Spent, but not for calls",
        "Money of which no captured call tells, such as for training runs.",
        ("task", "for", "USD"),
        [[_name(each.task), _name(each.purpose), Cell(money(each.usd))] for each in facts.noted],
        nothing="Nothing.",
    )


def runs_table(found: Sequence[RunFacts]) -> Table:
    return _table(
        "Training runs",
        "Those that were asked for, or ended, in this month.",
        ("run", "task", "trainer", "base model", "state", "pairs", "took", "cost"),
        [
            [
                _name(each.id),
                _name(each.task),
                _name(each.trainer),
                _name(each.base_model),
                Cell(each.state),
                Cell("" if each.pairs is None else f"{each.pairs:,}"),
                Cell("" if each.seconds is None else duration(each.seconds * 1000)),
                Cell("" if each.cost_usd is None else money(each.cost_usd)),
            ]
            for each in found
        ],
        nothing="There was none.",
    )


def promotions_table(found: Sequence[PromotionFacts]) -> Table:
    return _table(
        "Promotions",
        "Those that were proposed, decided or ended in this month, as they are now.",
        ("task", "model", "state", "proposed", "decided by", "why"),
        [
            [
                _name(each.task),
                _name(each.model),
                Cell(each.state),
                Cell(f"{moment(each.proposed_at)} UTC"),
                _name(each.decided_by) if each.decided_by else Cell(""),
                Cell(short(each.reason), is_name=True),
            ]
            for each in found
        ],
        nothing="There was none.",
    )
