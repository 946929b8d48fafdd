"""The pages of the queue. The place in it is in the URL: `at` an example, `after` or `before` one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from capture_app.exceptions import ExampleForgotten, InvalidJudgment
from capture_app.models import ExampleIndex
from console.access import REVIEW, needs
from console.audit import SAW, note
from console.example_page.finding import find_row
from console.review.filters import Filters, FiltersForm, read_filters
from console.review.judging import ExampleGone, JudgmentForm, MeanwhileJudged, Undo, judge, take_back
from console.review.page import show
from console.review.progress import review_progress
from console.review.queue import following, opened_by_others, preceding
from console.review.walk import STRETCHES

_UNDO: Final = "console_review_undo"  # in the session, the newest last
_MOST_UNDONE: Final = 20
_ENTERED: Final = ("correction", "comment", "tags")  # what a form that was refused keeps

_GONE: Final = "That example is no longer there: it was forgotten or pruned. Nothing was saved."
_MEANWHILE: Final = (
    "Somebody judged this example while you had it open, so nothing of yours was saved. What they said is below; what "
    "you entered is still in the form, and saving it now takes the place of theirs."
)
_UNDO_LATE: Final = "That example was judged again since. Nothing was taken back; look at what is said of it now."


@dataclass(frozen=True, slots=True)
class Visit:
    """A request, and the queue that its URL names."""

    request: HttpRequest
    site: AdminSite
    filters: Filters

    def to(self, **place: str) -> HttpResponseRedirect:
        """To a place in the same queue: `at`, `after` or `before` an example; without one, to its beginning."""
        return HttpResponseRedirect(f"{reverse('admin:console_review')}?{self.filters.query(**place)}")

    def page(self, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
        everywhere = {
            **self.site.each_context(self.request),
            "title": "Review",
            "filters": self.filters,
            "filters_form": FiltersForm(initial=self.filters.values()),
            "query": self.filters.query(),
            "undoable": bool(self.request.session.get(_UNDO)),
            "progress": review_progress(self.request.user),
        }
        template = f"console/review/{template}.html"
        return TemplateResponse(self.request, template, {**everywhere, **context}, status=status)


@needs(REVIEW)
@require_safe
def review_queue(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The example that the URL names; else one is looked for, and the URL becomes its own."""
    filters, refusals = read_filters(request.GET)
    for refusal in refusals:
        messages.warning(request, refusal)
    visit = Visit(request, site, filters)
    if "at" in request.GET:
        return _at(visit, request.GET["at"])
    if "before" in request.GET:
        return _before(visit, request.GET["before"])
    return _after(visit, request.GET.get("after", ""))


@needs(REVIEW)
@require_POST
def judge_example(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Save what the form says, and go on to the next example, or stay when asked to."""
    visit = Visit(request, site, read_filters(request.GET)[0])
    row, _ = find_row(request.POST.get("example", ""))
    if row is None:
        messages.error(request, _GONE)
        return visit.to()
    form = JudgmentForm(request.POST)
    if form.is_valid():
        return _judge(visit, row, form)
    for name, errors in form.errors.items():
        messages.error(request, f"Nothing was saved. {name.capitalize()}: {errors[0]}")
    return _example(visit, row, status=400)


@needs(REVIEW)
@require_POST
def undo_judgment(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Take back the user's last judgment, and show its example."""
    visit = Visit(request, site, read_filters(request.GET)[0])
    waiting = request.session.get(_UNDO)
    if not waiting:
        messages.info(request, "There is nothing to undo.")
        return visit.to()
    request.session[_UNDO] = waiting[:-1]
    undo = Undo(**waiting[-1])
    try:
        take_back(request.user, undo)
        messages.success(request, "Your judgment was taken back. Tags stay as they are.")
    except MeanwhileJudged:
        messages.warning(request, _UNDO_LATE)
    except (ExampleGone, ExampleForgotten):
        messages.error(request, _GONE)
        return visit.to()
    return visit.to(at=undo.example)


def _judge(visit: Visit, row: ExampleIndex, form: JudgmentForm) -> HttpResponse:
    request, judgment = visit.request, form.judgment()
    try:
        undo = judge(request.user, row.pk, judgment, seen=form.cleaned_data["seen"])
    except (ExampleGone, ExampleForgotten):
        messages.error(request, _GONE)
        return visit.to()
    except MeanwhileJudged:
        messages.warning(request, _MEANWHILE)
        return _example(visit, row, status=409)
    except InvalidJudgment as error:
        messages.error(request, str(error))
        return _example(visit, row, status=400)
    if undo:
        request.session[_UNDO] = [*request.session.get(_UNDO, []), asdict(undo)][-_MOST_UNDONE:]
    messages.success(request, f"Judged {judgment.verdict}." if judgment.verdict else "Saved.")
    if "stay" in request.POST:
        return visit.to(at=row.pk)
    found = following(visit.filters, request.user, row)
    return visit.to(at=found.example.pk) if found.example else visit.to(after=row.pk)


def _at(visit: Visit, example_id: str) -> HttpResponse:
    row, trouble = find_row(example_id)
    if row is None:
        messages.warning(visit.request, f"{trouble.title if trouble else ''}. The queue begins anew.")
        return visit.to()
    note(visit.request.user, SAW, example=row.pk, details={"page": "review"})
    return _example(visit, row)


def _after(visit: Visit, example_id: str) -> HttpResponse:
    place, _ = find_row(example_id)
    found = following(visit.filters, visit.request.user, place)
    if found.example:
        return visit.to(at=found.example.pk)
    return _nothing(visit, place, found.looked_until, "after")


def _before(visit: Visit, example_id: str) -> HttpResponse:
    place, _ = find_row(example_id)
    if place is None:
        return visit.to()
    found = preceding(visit.filters, visit.request.user, place)
    if found.looked_until:
        return _nothing(visit, place, found.looked_until, "before")
    if found.example is None:
        messages.info(visit.request, "There is none before this one.")
    return visit.to(at=found.example.pk if found.example else place.pk)


def _nothing(visit: Visit, place: ExampleIndex | None, until: ExampleIndex | None, direction: str) -> HttpResponse:
    """Nothing is there; or nothing so far, and the look ended at an example."""
    context = {
        "looked_until": until,
        "looked_at": sum(STRETCHES),
        "go_on": visit.filters.query(**{direction: until.pk}) if until else "",
        "back": visit.filters.query(at=place.pk) if place else "",
        "place": place,
        "direction": direction,
        "is_empty": not ExampleIndex.objects.order_by().exists(),
    }
    return visit.page("nothing", context)


def _example(visit: Visit, row: ExampleIndex, *, status: int = 200) -> HttpResponse:
    """One example. What a form had that could not be saved is shown again."""
    shown, posted = show(row, visit.request.user), visit.request.POST
    entered = {name: posted[name] for name in _ENTERED if name in posted}
    context = {
        "shown": shown,
        "values": {**shown.values, **entered},
        "is_refused": bool(posted),
        "opened_by": opened_by_others([row], visit.request.user).get(row.pk, ""),
        "before": visit.filters.query(before=row.pk),
        "after": visit.filters.query(after=row.pk),
    }
    return visit.page("example", context, status=status)
