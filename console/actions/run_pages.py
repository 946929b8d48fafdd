"""Pages: how far an export or a request to forget is, and what came of it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse

from capture_app.wording import counted
from console.access import EXPORT, FORGET, VIEW_FIGURES, may, needs
from console.actions import exporting, forgetting, runs
from console.actions.pages import Pages
from console.models import ActionRun

State, Kind = ActionRun.State, ActionRun.Kind
_RIGHTS = {Kind.EXPORT: EXPORT, Kind.FORGET: FORGET}
_TITLES = {Kind.EXPORT: "Export of", Kind.FORGET: "Forgetting of"}
_TEMPLATES = {Kind.EXPORT: "run_export", Kind.FORGET: "run_forget"}
_MOST_FILES = 200  # on the page


class RunPages(Pages):
    @needs(VIEW_FIGURES)
    def run(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        run = _run(request, run_id)
        kind = Kind(run.kind)
        about = counted(run.examples, "example") if run.examples else "what was left"
        outcome = _export_outcome(run) if kind == Kind.EXPORT else _forget_outcome(run)
        return self.render(
            request,
            _TEMPLATES[kind],
            f"{_TITLES[kind]} {about}",
            run=run,
            state=State(run.state).label,
            is_open=run.state in (State.QUEUED, State.RUNNING),
            waits_in_vain=runs.waits_in_vain(run),
            shows_no_sign=runs.shows_no_sign(run),
            may_go_again=runs.may_go_again(run),
            progress_url=self.reverse("console_action_progress", run.pk),
            **outcome,
        )

    @needs(VIEW_FIGURES)
    def progress(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """For the page's script, each second."""
        run = _run(request, run_id)
        return JsonResponse(
            {
                "state": run.state,
                "label": State(run.state).label,
                "step": run.step,
                "done": run.done,
                "total": run.total,
                "waits": runs.waits_in_vain(run) or runs.shows_no_sign(run),
            }
        )

    @needs(VIEW_FIGURES)
    def again(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        run = _run(request, run_id)
        if request.method == "POST" and not runs.again(run, request.user):
            messages.info(request, "There is no need: it is at work, or done.")
        return self.redirect("console_action_run", run_id)


def _run(request: HttpRequest, run_id: int) -> ActionRun:
    run = ActionRun.objects.filter(pk=run_id).defer("ids").first()
    if run is None:
        raise Http404("There is no such run, or it was long ago.")
    if not may(request.user, _RIGHTS[Kind(run.kind)]):
        raise PermissionDenied
    return run


def _export_outcome(run: ActionRun) -> dict[str, Any]:
    if run.state != State.SUCCEEDED or run.choices["count_only"]:
        return {}
    name = run.choices["name"]
    manifest = exporting.manifest(name)
    if manifest is None:
        return {"is_gone": True, "folder": exporting.folder_of(name)}
    files = exporting.files_of(name)
    return {
        "manifest": manifest,
        "folder": exporting.folder_of(name),
        "files": files[:_MOST_FILES],
        "more_files": max(0, len(files) - _MOST_FILES),
        "bytes": sum(size for _, size in files),
    }


def _forget_outcome(run: ActionRun) -> dict[str, Any]:
    receipts = run.result.get("receipts", [])
    for receipt in receipts:
        receipt["made_from_them"] = [
            {**made, "by_hand": forgetting.by_hand(made["kind"])} for made in receipt["made_from_them"]
        ]
    return {"receipts": receipts, "pending": forgetting.pending_erasures() if run.state == State.FAILED else []}
