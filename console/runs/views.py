"""The pages of the runs: parse, one call, render."""

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_GET, require_POST

from capture_app.routing.config import WrongRoute
from capture_app.routing.describing import describe_target
from capture_app.shown import short, visible
from console.access import CHANGE_ROUTES, RUN, VIEW_FIGURES, may, needs
from console.runs.page import progress as progress_of
from console.runs.page import run_page, settled_run
from console.runs.routes import answered_lines, change_lines, provider_lines, route_lines, undo_change
from console.runs.starting import cancel_run, start_run
from training_archive.models import ArchiveRun
from training_archive.runs import RunNotWaiting, RunPending

LIST = "admin:training_archive_archiverun_changelist"
ONE = "admin:training_archive_archiverun_change"


@needs(RUN)
@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Queue the kind of run that the form names, and show it."""
    kind = request.POST.get("kind", "")
    if kind not in ArchiveRun.Kind.values:
        messages.error(request, "There is no such run. Nothing was started.")
        return redirect(LIST)
    try:
        run = start_run(ArchiveRun.Kind(kind), request.user)
    except RunPending as pending:
        messages.warning(request, str(pending))
        return redirect(LIST)
    return _to(run.pk)


@needs(RUN)
@require_POST
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Take a queued run back."""
    try:
        cancel_run(run_id, request.user)
    except RunNotWaiting as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, "The run was cancelled. Nothing was done.")
    return _to(run_id)


@needs(VIEW_FIGURES)
@require_GET
def progress(request: HttpRequest, run_id: int) -> JsonResponse:
    """How far the run is; its log only when it is not as long as `?seen=`."""
    seen = request.GET.get("seen", "")
    log_seen = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else -1
    return JsonResponse(progress_of(_found(run_id), log_seen=log_seen))


@needs(VIEW_FIGURES)
@require_GET
def one(request: HttpRequest, run_id: int, *, site: AdminSite) -> TemplateResponse:
    """The page of a run."""
    run = _found(run_id)
    context = {
        **site.each_context(request),
        "title": f"{'Archive run' if run.kind == ArchiveRun.Kind.ARCHIVE else 'Verification'} {run.pk}",
        "page": run_page(run),
        "opts": ArchiveRun._meta,
        "may_run": may(request.user, RUN),
    }
    return TemplateResponse(request, "console/runs/run.html", context)


@needs(VIEW_FIGURES)
@require_GET
def routes(request: HttpRequest, *, site: AdminSite) -> TemplateResponse:
    """Which provider and model answer which calls."""
    context = {
        **site.each_context(request),
        "title": "Routes",
        "routes": route_lines(),
        "providers": provider_lines(),
        "answered": answered_lines(),
        "changes": change_lines(),
        "may_change": may(request.user, CHANGE_ROUTES),
        "opts": ArchiveRun._meta,
    }
    return TemplateResponse(request, "console/runs/routes.html", context)


@needs(CHANGE_ROUTES)
@require_POST
def undo_route(request: HttpRequest) -> HttpResponse:
    """Undo the last change of the route that the form names."""
    name, version = request.POST.get("route", ""), request.POST.get("version", "")
    try:
        change = undo_change(
            name, request.user, version=int(version) if version.isascii() and version.isdigit() else -1
        )
    except WrongRoute as refusal:
        messages.error(request, str(refusal))
    else:
        told = visible(describe_target(change.after))
        messages.success(request, f"Now {short(name)} goes to {told}. Every process follows within seconds.")
    return redirect("admin:console_runs_routes")


def _found(run_id: int) -> ArchiveRun:
    try:
        return settled_run(run_id)
    except (ArchiveRun.DoesNotExist, OverflowError) as error:  # a number that no database has
        raise Http404("There is no such run; only the last 1,000 are kept.") from error


def _to(run_id: int) -> HttpResponseRedirect:
    return redirect(ONE, run_id)
