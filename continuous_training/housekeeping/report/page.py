"""A month's facts in words and pictures: what the template shows."""

from capture_app.wording import counted
from continuous_training.housekeeping.report.calls import Calls
from continuous_training.housekeeping.report.charts import calls_chart, cost_chart
from continuous_training.housekeeping.report.facts import MonthFacts
from continuous_training.housekeeping.report.shapes import Card, Page
from continuous_training.housekeeping.report.tables import (
    budgets_table,
    evaluations_table,
    judgments_table,
    models_table,
    noted_table,
    promotions_table,
    runs_table,
    savings_table,
    tasks_table,
)
from continuous_training.housekeeping.report.words import compact, duration, moment, money


def page_of(facts: MonthFacts) -> Page:
    return Page(
        month=f"{facts.month.begins_at:%B %Y}",
        span=f"{moment(facts.month.begins_at)} to {moment(facts.month.ends_at)} UTC",
        made_at=f"{moment(facts.made_at)} UTC",
        is_over=facts.is_over,
        is_empty=facts.is_empty,
        cards=_cards(facts),
        charts=[calls_chart(facts), cost_chart(facts)] if facts.calls.by_answerer else [],
        tables=[
            tasks_table(facts),
            models_table(facts),
            savings_table(facts),
            evaluations_table(facts.comparisons),
            judgments_table(facts.judgments),
            budgets_table(facts.budgets),
            noted_table(facts),
            runs_table(facts.runs),
            promotions_table(facts.promotions),
        ],
    )


def _cards(facts: MonthFacts) -> list[Card]:
    total, savings = facts.calls.total(), facts.savings
    noted = sum(each.usd for each in facts.noted)
    good, bad = sum(each.good for each in facts.judgments), sum(each.bad for each in facts.judgments)
    return [
        Card("Calls", f"{total.calls:,}", counted(len(facts.calls.by_task()), "task")),
        Card("Tokens", compact(total.input_tokens + total.output_tokens), f"{total.output_tokens:,} of them written"),
        Card("Cost", money(total.cost_usd + noted), _cost_note(total, noted)),
        Card("Saved", money(savings.net_usd), f"after {money(savings.training_usd)} for training"),
        Card(
            "Latency",
            duration(total.percentile(50)),
            f"half of the calls at most; 95 % at most {duration(total.percentile(95))}",
        ),
        Card("Verdicts", f"{good:,} good", f"{bad:,} bad"),
    ]


def _cost_note(total: Calls, noted: float) -> str:
    parts = [f"{money(noted)} of it not for calls"] if noted else []
    if total.uncosted:
        parts.append(f"{counted(total.uncosted, 'call')} of unknown cost count as nothing")
    return "; ".join(parts)
