"""The report of an evaluation: one HTML file that needs nothing beside it, and the same as JSON.

`report_context` has all that is shown, for any page that shows it: "continuous_training/evaluation/_body.html" with the
styles of static/continuous_training/evaluation.css. What models said is escaped by the template, and characters that
deceive the eye are written out, see capture_app.shown.

A report holds texts. So whoever writes one, or has items forgotten, is alone with the reports of this host.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
from django.template.loader import render_to_string
from filelock import FileLock

from capture_app.files import write_atomically
from capture_app.messages import content_text
from capture_app.shown import Budget, Text, short
from capture_app.wording import counted
from continuous_training.conf import loop_settings
from continuous_training.evaluation.answering import sides_of
from continuous_training.evaluation.metrics import Category, Metrics, Side
from continuous_training.evaluation.pictures import IntervalPicture, interval_picture
from continuous_training.evaluation.statistics import TIE, Interval
from continuous_training.models import Evaluation, EvaluationItem

SHOWN: Final = 50  # items whose answers stand side by side

_TEMPLATE: Final = "continuous_training/evaluation/report.html"
_STYLES: Final = Path(__file__).parent.parent / "static" / "continuous_training" / "evaluation.css"
_TEXT_CHARACTERS: Final = 4000  # of a text that a report shows
_ROLES_SHOWN: Final = 20  # messages of a question, the last ones


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table of both sides."""

    label: str
    candidate: str
    incumbent: str  # "" where there is none


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryLine:
    """A line of the table of categories. Bars are in percent of the whole width."""

    name: str
    items: str
    candidate: str
    candidate_bar: int
    incumbent: str
    incumbent_bar: int
    gain: str
    interval: str


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a question."""

    role: str
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerShown:
    """What one side answered."""

    who: str
    text: Text | None  # None: an error
    error: str
    score: str
    notes: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """An item on which the two differ; without an incumbent, one that the candidate got wrong."""

    number: int  # from 1 on
    category: str
    gain: str
    question: list[Said]
    expected: Text
    answers: list[AnswerShown]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """All that a report shows."""

    id: str
    task: str
    candidate: str
    incumbent: str  # "" where nothing answers the task yet
    gold: str
    scorers: list[str]
    requested_by: str
    created_at: datetime
    items: str
    verdict: str
    gain: str
    interval: str
    picture: IntervalPicture | None
    outcomes: str
    figures: list[Figure]
    categories: list[CategoryLine]
    disagreements: list[Disagreement]
    unshown: int  # disagreements beside those


def report_context(evaluation: Evaluation, *, shown: int = SHOWN, without: Collection[int] = ()) -> ReportContext:
    """Of an evaluation that is done. `without`: numbers of items that are not shown."""
    metrics = Metrics.from_json(evaluation.metrics)
    ranked = _ranked(evaluation, without)
    sides = {side: short(str(target)) for side, target in sides_of(evaluation).items()}
    gain = metrics.gain
    return ReportContext(
        id=evaluation.pk,
        task=short(evaluation.task),
        candidate=sides["candidate"],
        incumbent=sides.get("incumbent", ""),
        gold=_gold(evaluation),
        scorers=[short(name) for name in metrics.scorers],
        requested_by=short(evaluation.requested_by),
        created_at=evaluation.created_at,
        items=counted(metrics.items, "item"),
        verdict=_verdict(gain),
        gain=_signed(gain.mean) if gain else "",
        interval=_interval(gain) if gain else "",
        picture=interval_picture(gain) if gain else None,
        outcomes=_outcomes(metrics),
        figures=list(_figures(metrics)),
        categories=[_category(name, each) for name, each in metrics.categories.items()],
        disagreements=list(_disagreements(evaluation, ranked[:shown], sides)),
        unshown=max(0, len(ranked) - shown),
    )


# --- On the disk -----------------------------------------------------------------------------------------------------


def report_path(evaluation_id: str) -> Path:
    """Where the HTML is; the JSON is beside it."""
    return loop_settings().evaluations_folder / f"{evaluation_id}.html"


def write_report(evaluation: Evaluation) -> None:
    """Make both files, or make them anew."""
    with alone_with_reports():
        _write(evaluation, ())


def rewrite_report(evaluation: Evaluation, *, without: Collection[int]) -> None:
    """Make the files anew without the items of these numbers, if they are there. Only within alone_with_reports."""
    if report_path(evaluation.pk).exists() or report_path(evaluation.pk).with_suffix(".json").exists():
        _write(evaluation, without)


@contextmanager
def alone_with_reports() -> Iterator[None]:
    """Nobody else on this host writes a report, or has what is in one forgotten. What killed runs left half-written
    is removed: it holds texts, too."""
    folder = loop_settings().evaluations_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(folder / ".reports.lock"):  # made at use: one from before a fork raises in the child
        for left in folder.glob(".eval-*.tmp"):
            left.unlink()
        yield


def _write(evaluation: Evaluation, without: Collection[int]) -> None:
    context = report_context(evaluation, without=without)
    path = report_path(evaluation.pk)
    write_atomically(path, render_report(context).encode())
    write_atomically(path.with_suffix(".json"), orjson.dumps(report_json(evaluation, context)))


def render_report(context: ReportContext) -> str:
    """The HTML of the file."""
    return render_to_string(_TEMPLATE, {"report": context, "styles": _STYLES.read_text()})


def report_json(evaluation: Evaluation, context: ReportContext) -> dict[str, Any]:
    """What the HTML says; figures as numbers."""
    said = asdict(context)
    kept = ("id", "task", "candidate", "incumbent", "gold", "scorers", "requested_by", "created_at", "verdict")
    return {
        **{name: said[name] for name in kept},
        "metrics": evaluation.metrics,
        "disagreements": said["disagreements"],
        "unshown": context.unshown,
    }


# --- Words and numbers -----------------------------------------------------------------------------------------------


def _verdict(gain: Interval | None) -> str:
    if gain is None:
        return "There is no incumbent to compare with."
    if gain.low > 0:
        return "The candidate is better: the whole interval is above 0."
    if gain.high < 0:
        return "The candidate is worse: the whole interval is below 0."
    return "Nobody can tell which is better: the interval includes 0."


def _gold(evaluation: Evaluation) -> str:
    gold = evaluation.gold
    where = f"the file {short(str(gold['name']))}" if gold["kind"] == "file" else "held-out examples"
    left_out = "; ".join(f"{number:,} left out, {short(why)}" for why, number in gold.get("left_out", {}).items())
    return f"{counted(gold['items'], 'item')} of {where}{f' ({left_out})' if left_out else ''}"


def _outcomes(metrics: Metrics) -> str:
    found = metrics.outcomes
    return f"{found.wins:,} won, {found.ties:,} tied, {found.losses:,} lost" if found else ""


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def _interval(gain: Interval) -> str:
    return f"{_signed(gain.low)} to {_signed(gain.high)}"


def _figures(metrics: Metrics) -> Iterator[Figure]:
    sides = [metrics.candidate, *([metrics.incumbent] if metrics.incumbent else [])]
    for name in metrics.scorers:
        yield _figure(f"Score, {short(name)}", [f"{side.scores[name]:.3f}" for side in sides])
    yield _figure("Errors", [f"{side.errors:,}" for side in sides])
    yield _figure("Latency, median", [_milliseconds(side.latency_ms_p50) for side in sides])
    yield _figure("Latency, 95th percentile", [_milliseconds(side.latency_ms_p95) for side in sides])
    yield _figure("Tokens in, out", [f"{side.input_tokens:,}, {side.output_tokens:,}" for side in sides])
    yield _figure("Cost of 1,000 calls", [_cost(side) for side in sides])


def _figure(label: str, told: list[str]) -> Figure:
    return Figure(label, told[0], told[1] if len(told) > 1 else "")


def _milliseconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f} ms"


def _cost(side: Side) -> str:
    if side.cost_usd_per_1000 is None:
        return "unknown"
    unknown = f" ({counted(side.uncosted, 'answer')} unknown)" if side.uncosted else ""
    return f"{side.cost_usd_per_1000:,.4f} USD{unknown}"


def _category(name: str, found: Category) -> CategoryLine:
    return CategoryLine(
        name=short(name) or "none",
        items=f"{found.items:,}",
        candidate=f"{found.candidate:.3f}",
        candidate_bar=round(100 * found.candidate),
        incumbent="" if found.incumbent is None else f"{found.incumbent:.3f}",
        incumbent_bar=round(100 * (found.incumbent or 0)),
        gain=_signed(found.gain.mean) if found.gain else "",
        interval=_interval(found.gain) if found.gain else "",
    )


# --- Side by side ----------------------------------------------------------------------------------------------------


def _ranked(evaluation: Evaluation, without: Collection[int]) -> list[int]:
    """The numbers of the items on which they differ, those first on which they differ most."""
    scores = evaluation.items.values_list("number", "candidate__score", "incumbent__score")
    gaps = [(abs((1.0 if theirs is None else theirs) - mine), number) for number, mine, theirs in scores]
    ranked = sorted(gaps, key=lambda each: (-each[0], each[1]))
    return [number for gap, number in ranked if gap > TIE and number not in without]


def _disagreements(evaluation: Evaluation, numbers: Sequence[int], sides: dict[str, str]) -> Iterator[Disagreement]:
    budget = Budget()
    for number in numbers:
        row = evaluation.items.filter(number=number).first()
        if row is not None:
            yield _disagreement(row, sides, budget)


def _disagreement(row: EvaluationItem, sides: dict[str, str], budget: Budget) -> Disagreement:
    answers = {side: getattr(row, side) for side in sides}
    gain = answers["candidate"]["score"] - answers["incumbent"]["score"] if "incumbent" in answers else None
    return Disagreement(
        number=row.number + 1,
        category=short(row.category),
        gain="" if gain is None else _signed(gain),
        question=[
            Said(short(str(message.get("role", ""))), _text(content_text(message), budget))
            for message in row.messages[-_ROLES_SHOWN:]
        ],
        expected=_text(row.expected, budget),
        answers=[_answer(who, answers[side], budget) for side, who in sides.items()],
    )


def _answer(who: str, answer: dict[str, Any], budget: Budget) -> AnswerShown:
    notes = answer.get("notes", {})
    return AnswerShown(
        who=who,
        text=_text(answer["text"], budget) if "text" in answer else None,
        error=short(str(answer.get("error", ""))),
        score=f"{answer['score']:.3f}",
        notes=[f"{short(name)}: {short(note)}" for name, note in notes.items()],
    )


def _text(text: str, budget: Budget) -> Text:
    part = budget.text(text[:_TEXT_CHARACTERS])
    return Text(shown=part.shown, characters=len(text), is_cut=part.is_cut or len(text) > _TEXT_CHARACTERS)
