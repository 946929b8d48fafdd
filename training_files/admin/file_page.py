"""What the page of a training file shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.template.defaultfilters import filesizeformat

from capture_app.shown import short, visible
from training_files.admin.charts import Bars, Heat, bars, heats
from training_files.balance import distribution
from training_files.describing import Described, conversations_in, describe
from training_files.models import Build, Conversation, TrainingFile, TrainingFileVersion
from training_files.v4.writing import quality_summary

PAGE: Final = 50  # conversations
_MOST_VERSIONS: Final = 50
_MOST_BUILDS: Final = 5
_AT_WORK: Final = (Build.State.QUEUED, Build.State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A conversation of the version."""

    id: str
    name: str  # the id, fit to be shown
    is_known: bool  # False: it was deleted since, and only the training file has it
    is_older: bool  # it has been changed since it was added
    scaffolding: str
    quality: str
    tier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLine:
    number: int
    created: str
    by: str
    note: str
    conversations: str
    quality: str
    is_current: bool
    is_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLine:
    id: int
    state: str  # of Build.State
    label: str
    by: str
    at: str
    done: int
    total: int
    problem: str
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePage:
    file: TrainingFile
    described: Described
    is_current: bool  # whether it is the current version that is shown
    facts: list[tuple[str, str]]
    charts: list[Bars]
    heats: list[Heat]
    evenness: list[tuple[str, str]]
    versions: list[VersionLine]
    more_versions: int
    builds: list[BuildLine]
    conversations: list[Held]
    page: int
    pages: int


def file_page(training_file: TrainingFile, *, number: int | None, page: int) -> FilePage:
    """Of a version, by default the current one; pages of conversations begin with 1. Raises NotFound."""
    described = describe(training_file, number)
    shown = described.version.number
    spread = distribution(training_file, shown)
    tiers = {name: count for name, count in spread.tiers.items() if count or name}
    pages = max(1, -(-described.figures.conversations // PAGE))
    page = min(max(page, 1), pages)
    versions = list(training_file.versions.order_by("-number")[: _MOST_VERSIONS + 1])
    return FilePage(
        file=training_file,
        described=described,
        is_current=shown == training_file.version,
        facts=list(_facts(described)),
        charts=[
            bars("Tiers", tiers, keep_order=True),
            bars("Personas", spread.personas),
            bars("Arcs", spread.arcs),
            bars("Topics", spread.topics),
        ],
        heats=heats(spread),
        evenness=[
            ("Evenness over persona, arc and topic", _share(spread.evenness)),
            ("Evenness over tiers", _share(spread.tier_evenness)),
        ],
        versions=[_version_line(version, training_file, shown) for version in versions[:_MOST_VERSIONS]],
        more_versions=max(0, training_file.version - _MOST_VERSIONS),
        builds=[build_line(build) for build in training_file.builds.all()[:_MOST_BUILDS]],
        conversations=list(_held(training_file, shown, page)),
        page=page,
        pages=pages,
    )


def moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def quality(score: float | None) -> str:
    return "not rated" if score is None else f"{score:.2f}"


def build_line(build: Build) -> BuildLine:
    return BuildLine(
        id=build.pk,
        state=build.state,
        label=str(Build.State(build.state).label),
        by=short(build.requested_by),
        at=moment(build.requested_at),
        done=build.done,
        total=build.total,
        problem=visible(build.problem),
        is_open=build.state in _AT_WORK,
    )


def progress(build: Build) -> Mapping[str, Any]:
    """For the page's script, each second."""
    line = build_line(build)
    return {"label": line.label, "done": line.done, "total": line.total, "isOpen": line.is_open}


def _facts(described: Described) -> Iterator[tuple[str, str]]:
    figures, summary = described.figures, quality_summary(described.figures)
    yield "Owner", short(described.file.owner)
    yield "Vertical", short(described.file.vertical)
    yield "Made", moment(described.file.created_at)
    yield "Changed", moment(described.version.updated_at)
    yield "Conversations", f"{figures.conversations:,}"
    yield "Training pairs", f"{figures.pairs:,}, of which {figures.answered:,} become lines"
    yield "Quality, mean", f"{quality(figures.score_mean)}; {figures.scored:,} pairs are rated"
    yield "Quality, from and to", f"{quality(figures.score_min)} to {quality(figures.score_max)}"
    yield "Reviewed by people", f"{figures.reviewed:,} pairs, {summary['human_reviewed_percentage']:g} %"
    yield "Size", f"{filesizeformat(described.json_bytes)} as JSON, {filesizeformat(described.jsonl_bytes)} as JSONL"
    yield "Parts", f"{described.parts:,}"


def _share(evenness: float | None) -> str:
    return "not known: there are fewer than two cells" if evenness is None else f"{evenness:.0%}"


def _version_line(version: TrainingFileVersion, training_file: TrainingFile, shown: int) -> VersionLine:
    return VersionLine(
        number=version.number,
        created=moment(version.created_at),
        by=short(version.created_by),
        note=short(version.note),
        conversations=f"{version.figures.get('conversations', 0):,}",
        quality=quality(version.quality_score),
        is_current=version.number == training_file.version,
        is_shown=version.number == shown,
    )


def _held(training_file: TrainingFile, number: int, page: int) -> Iterator[Held]:
    found = list(conversations_in(training_file.pk, number=number, offset=(page - 1) * PAGE, limit=PAGE))
    rows = Conversation.objects.in_bulk([conversation_id for conversation_id, _ in found])
    for conversation_id, sha256 in found:
        row = rows.get(conversation_id)
        yield Held(
            id=conversation_id,
            name=short(conversation_id),
            is_known=row is not None,
            is_older=row is not None and row.sha256 != sha256,
            scaffolding=scaffolding(row) if row else "",
            quality=quality(row.quality_score) if row else "",
            tier=short(row.quality_tier) if row else "",
        )


def scaffolding(row: Conversation) -> str:
    """Its keys, in one line."""
    keys = (row.persona_key, row.emotional_arc_key, row.training_topic_key)
    return short(" · ".join(key or "not known" for key in keys)) if any(keys) else "not known"
