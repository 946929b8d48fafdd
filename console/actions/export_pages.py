"""Pages: export picked examples, and take the data set away."""

from django.http import HttpRequest, HttpResponseBase

from capture_app.streaming import streamed
from capture_app.wording import counted
from console import audit
from console.access import EXPORT, needs
from console.actions import exporting, runs
from console.actions.exceptions import ActionError, BadSelection
from console.actions.forms import ExportForm
from console.actions.pages import Pages
from console.actions.selection import PARAMETER, Selection, from_request
from console.models import ActionRun
from training_archive.exports.formats import FORMATS

COMMAND = "manage.py export_dataset --format openai-chat --out FOLDER --task TASK --since 2026-01-31"
_LATEST = 20  # runs on the page


class ExportPages(Pages):
    @needs(EXPORT)
    def export(self, request: HttpRequest) -> HttpResponseBase:
        if request.method != "POST" and PARAMETER not in request.GET:
            return self._overview(request)
        try:
            selection = from_request(request)
        except ActionError as error:
            return self.refuse(request, error, command=COMMAND)
        form = ExportForm(request.POST) if {"write", "count"} & set(request.POST) else None
        if form is None or not form.is_valid():
            return self.ask(request, selection, form)
        return self._start(request, selection, form)

    def ask(self, request: HttpRequest, selection: Selection, form: ExportForm | None = None) -> HttpResponseBase:
        """The form."""
        self.say_unknown(request, selection)
        return self.render(
            request,
            "export",
            f"Export {counted(len(selection), 'example')}",
            selection=selection,
            form=form or ExportForm(),
            formats=[(name, kind.about, kind.wants_pairs) for name, kind in FORMATS.items()],
            is_small=runs.is_small(len(selection)),
        )

    def _start(self, request: HttpRequest, selection: Selection, form: ExportForm) -> HttpResponseBase:
        chosen = form.cleaned_data
        name = chosen["name"] or exporting.new_name(chosen["format"])
        choices = {**chosen, "name": name, "count_only": "write" not in request.POST}
        run = runs.start(ActionRun.Kind.EXPORT, request.user, selection, choices)
        return self.redirect("console_action_run", run.pk)

    def _overview(self, request: HttpRequest) -> HttpResponseBase:
        latest = ActionRun.objects.filter(kind=ActionRun.Kind.EXPORT).defer("ids")[:_LATEST]
        return self.render(request, "exports", "Exports", latest=latest, command=COMMAND)

    @needs(EXPORT)
    def download(self, request: HttpRequest, run_id: int) -> HttpResponseBase:
        """The data set as a ZIP."""
        if request.method != "GET":  # the browser asks no second time: what it takes away is noted
            return self.redirect("console_action_run", run_id)
        try:
            run = written_export(run_id)
            stream = exporting.zip_stream(run.choices["name"])
        except ActionError as error:
            return self.refuse(request, error)
        audit.note(request.user, audit.DOWNLOADED, examples=run.examples, details={"run": run.pk})
        return streamed(request, stream, filename=f"{run.choices['name']}.zip", content_type="application/zip")


def written_export(run_id: int) -> ActionRun:
    """The run that wrote a data set. Raises BadSelection when there is none of this number."""
    done = ActionRun.objects.filter(pk=run_id, kind=ActionRun.Kind.EXPORT, state=ActionRun.State.SUCCEEDED)
    run = done.defer("ids").first()
    if run is None or run.choices["count_only"]:
        raise BadSelection("No data set was written by this run. Export the examples first.")
    return run
