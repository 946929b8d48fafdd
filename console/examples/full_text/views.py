"""The page of a search in whole texts. What is asked goes in forms, so that no address and no log holds it."""

from dataclasses import asdict
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from capture_app.models import ExampleIndex
from capture_app.shown import short, visible
from console import audit
from console.access import VIEW_TEXT, needs
from console.example_page.addresses import page_address
from console.examples.full_text.scan import MOST_HITS, Hit
from console.examples.full_text.search import ENOUGH, Position, Step, search_on

LONGEST: Final = 200  # characters of a question
_TEMPLATE: Final = "console/examples/full_text.html"
_STALE: Final = "This search cannot be gone on with any more. Start it again; it changes nothing."


@needs(VIEW_TEXT)
@require_http_methods(["GET", "POST"])
def full_text(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """GET: the empty form. POST: look on for two seconds, from `token`, or from the beginning."""
    question = request.POST.get("q", "").strip()[:LONGEST].replace("\0", "")
    step, problem = None, ""
    if request.method == "POST" and question:
        user = request.user.get_username()
        token = request.POST.get("token", "")
        position = Position.from_token(token, question, user) if token else Position()
        if position is None:
            problem = _STALE
        else:
            if not token:
                _note(request, question)
            step = search_on(question, position)
    shown = _shown(step, question, request.user.get_username()) if step else None
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"problem": problem, **(shown or {})}, status=400 if problem else 200)
    context = {
        **site.each_context(request),
        "title": "Search in whole texts",
        "opts": ExampleIndex._meta,
        "question": question,
        "longest": LONGEST,
        "problem": problem,
        "step": shown,
    }
    return TemplateResponse(request, _TEMPLATE, context, status=400 if problem else 200)


def _note(request: HttpRequest, question: str) -> None:
    """Once for a search, not for each step; how long the question was, and not what."""
    audit.note(request.user, audit.SEARCHED, examples=0, details={"characters": len(question)})


def _shown(step: Step, question: str, user: str) -> dict[str, Any]:
    """A step, for the template and the script alike: text that is only ever shown as text."""
    has_enough = step.position is not None and step.position.hits >= ENOUGH
    goes_on = step.position is not None and not has_enough
    return {
        "hits": [_shown_hit(hit) for hit in step.hits],
        "problems": [visible(problem) for problem in step.problems],
        "at": short(step.at),
        "looked": step.looked,
        "left": step.left,
        "is_cut": step.is_cut,
        "has_enough": has_enough,
        "summary": _summary(step, goes_on=goes_on),
        "token": step.position.token(question, user) if goes_on and step.position else "",
    }


def _summary(step: Step, *, goes_on: bool) -> str:
    """How far it is, in words."""
    parts = [f"{step.looked:,} examples looked through, the last ones in {short(step.at)}."]
    if step.is_cut:
        parts.append(f"Of {MOST_HITS} hits close together, not all are shown.")
    if goes_on:
        parts.append(f"About {step.left:,} are left.")
    elif step.position:
        parts.append(f"{ENOUGH} hits are enough; ask for something rarer.")
    else:
        parts.append("That is all.")
    return " ".join(parts)


def _shown_hit(hit: Hit) -> dict[str, str]:
    known = hit.id.replace("\0", " ")  # as the index has it
    return {
        **{name: short(value) for name, value in asdict(hit).items() if isinstance(value, str)},
        "url": page_address(known),
        "time": f"{hit.at:%Y-%m-%d %H:%M:%S}",
        "snippet": visible(hit.snippet),
    }
