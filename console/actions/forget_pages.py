"""Pages: erase examples, finish what a killed run left, and take the receipt away."""

from django.http import FileResponse, HttpRequest, HttpResponseBase

from capture_app.wording import counted
from console.access import FORGET, needs
from console.actions import forgetting, runs
from console.actions.exceptions import ActionError
from console.actions.forms import ForgetForm
from console.actions.pages import Pages
from console.actions.selection import PARAMETER, Selection, from_request
from console.models import ActionRun

COMMAND = "manage.py forget --user USER_ID"
_LATEST = 20  # runs on the page


class ForgetPages(Pages):
    @needs(FORGET)
    def forget(self, request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and "finish" in request.POST:
            return self._start(request, None)
        if request.method != "POST" and PARAMETER not in request.GET:
            return self._overview(request)
        try:
            selection = from_request(request)
        except ActionError as error:
            return self.refuse(request, error, command=COMMAND)
        form = ForgetForm(request.POST if "confirm" in request.POST else None, examples=len(selection))
        return self._start(request, selection) if form.is_valid() else self.ask(request, selection, form)

    def ask(self, request: HttpRequest, selection: Selection, form: ForgetForm | None = None) -> HttpResponseBase:
        """What will be reached, and the form that confirms it."""
        self.say_unknown(request, selection)
        is_small = runs.is_small(len(selection))
        reach = forgetting.reach_of(selection, count=is_small)
        return self.render(
            request,
            "forget",
            f"Forget {counted(len(selection), 'example')}",
            selection=selection,
            form=form or ForgetForm(examples=len(selection)),
            reach=reach,
            made=[(made, forgetting.by_hand(made.kind)) for made in reach.made_from_them],
            pending=forgetting.pending_erasures(),
            is_small=is_small,
        )

    def _start(self, request: HttpRequest, selection: Selection | None) -> HttpResponseBase:
        run = runs.start(ActionRun.Kind.FORGET, request.user, selection, {})
        return self.redirect("console_action_run", run.pk)

    def _overview(self, request: HttpRequest) -> HttpResponseBase:
        latest = ActionRun.objects.filter(kind=ActionRun.Kind.FORGET).defer("ids")[:_LATEST]
        pending = forgetting.pending_erasures()
        return self.render(request, "forgotten", "Forget", latest=latest, pending=pending, command=COMMAND)

    @needs(FORGET)
    def receipt(self, request: HttpRequest, erasure_id: str) -> HttpResponseBase:
        """The signed receipt as a file."""
        try:
            path = forgetting.receipt_path(erasure_id)
        except ActionError as error:
            return self.refuse(request, error)
        return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="application/json")
