"""The monthly report: one HTML file that needs nothing beside it, and the same as JSON."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
from django.template.loader import render_to_string

from capture_app.files import write_atomically
from capture_app.progress import Progress, silent
from continuous_training.conf import loop_settings
from continuous_training.exceptions import LoopError
from continuous_training.housekeeping.report.facts import MonthFacts, facts_of
from continuous_training.housekeeping.report.months import Month
from continuous_training.housekeeping.report.page import page_of

_TEMPLATE: Final = "continuous_training/housekeeping/monthly_report.html"
_STYLES: Final = Path(__file__).parents[2] / "static" / "continuous_training" / "monthly_report.css"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyReport:
    """What was written."""

    facts: MonthFacts
    html: Path
    json: Path


def monthly_report(*, month: str = "", folder: Path | None = None, progress: Progress = silent) -> MonthlyReport:
    """Write both files of a month of UTC, "2026-10" or "" for the last one that is over; or write them anew.

    Into the folder, which is made (default: REPORTS_FOLDER). Raises NoSuchMonth, LoopError when the folder cannot hold
    them; then what was there is there still.
    """
    facts = facts_of(Month.named(month, now=datetime.now(UTC)), progress=progress)
    folder = folder or loop_settings().reports_folder
    html, json = (folder / f"gleaner-{facts.month.name}.{kind}" for kind in ("html", "json"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(html, render(facts).encode())
        write_atomically(json, orjson.dumps(facts.as_json(), option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise LoopError(
            f"{folder} cannot hold the report: {error.strerror or error}. What was there is there still; name another "
            "folder with --output, or mend it."
        ) from error
    return MonthlyReport(facts=facts, html=html, json=json)


def render(facts: MonthFacts) -> str:
    """The page."""
    return render_to_string(_TEMPLATE, {"page": page_of(facts), "styles": _STYLES.read_text()})
