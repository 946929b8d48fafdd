"""Training runs and their models in the admin."""

from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern

from capture_app.shown import short, visible
from continuous_training.admin.base import PagesAdmin, Told
from continuous_training.models import TrainedModel, TrainingRun
from continuous_training.training.devices import ACTIVE
from continuous_training.training.folders import run_folder
from continuous_training.training.runs import cancel_run

CURVE: Final = "loss.png"  # in the run's folder; trainers that draw one put it there


@admin.register(TrainingRun)
class TrainingRunAdmin(PagesAdmin):
    list_display = ("name", "task_name", "trainer", "state", "how_far", "last_loss", "requested")
    list_filter = ("state", "trainer")
    search_fields = ("id", "task")
    search_help_text = "A part of the run's name, or of the task"

    def own_urls(self) -> list[URLPattern]:
        return [
            self.own("<str:run_id>/cancel/", self.cancel, "cancel"),
            self.own("<str:run_id>/curve/", self.curve, "curve"),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        run = self._found(request, unquote(object_id))
        return self.render(
            request,
            "run",
            short(run.pk),
            run=run,
            problem=visible(run.problem),
            base_model=visible(run.base_model),
            how_far=self.how_far(run),
            metrics=[(name.replace("_", " "), _figure(value)) for name, value in run.metrics.items()],
            files=[(short(str(each.get("name", ""))), each.get("sha256", "")) for each in run.data.get("files", ())],
            model=TrainedModel.objects.filter(run=run).first(),
            has_curve=(run_folder(run.pk) / CURVE).is_file(),
            may_cancel=run.state in ACTIVE and not run.cancel_requested_at and _may_cancel(request),
        )

    def cancel(self, request: HttpRequest, run_id: str) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.must(_may_cancel(request))
        run = self._found(request, run_id)
        with Told(request):
            cancel_run(run.pk, by=request.user.get_username())
            messages.success(request, "It was asked to stop. What it has done so far is not paid for twice.")
        return self.go_to(run)

    def curve(self, request: HttpRequest, run_id: str) -> HttpResponseBase:
        """The picture of its losses."""
        path = run_folder(self._found(request, run_id).pk) / CURVE
        if not path.is_file():
            raise Http404("This run has no picture of its losses.")
        return FileResponse(path.open("rb"), content_type="image/png")

    def _found(self, request: HttpRequest, object_id: str) -> TrainingRun:
        self.must(self.has_view_permission(request))
        run: TrainingRun | None = self.get_object(request, object_id)
        if run is None:
            raise Http404("There is no such run.")
        return run

    @admin.display(description="run", ordering="pk")
    def name(self, run: TrainingRun) -> str:
        return short(run.pk)

    @admin.display(description="task", ordering="task")
    def task_name(self, run: TrainingRun) -> str:
        return short(run.task)

    @admin.display(description="progress")
    def how_far(self, run: TrainingRun) -> str:
        steps = run.progress.get("steps")
        return f"step {run.progress.get('step', 0):,} of {steps:,}" if steps else ""

    @admin.display(description="loss")
    def last_loss(self, run: TrainingRun) -> str:
        return _figure(run.progress.get("loss"))

    @admin.display(description="requested (UTC)", ordering="requested_at")
    def requested(self, run: TrainingRun) -> str:
        return f"{run.requested_at:%Y-%m-%d %H:%M}"


@admin.register(TrainedModel)
class TrainedModelAdmin(PagesAdmin):
    list_display = ("name", "task_name", "provider", "megabytes", "created", "removed")
    list_filter = ("provider",)
    search_fields = ("model", "task")
    fields = ("name", "task_name", "provider", "folder", "megabytes", "created", "removed")
    readonly_fields = fields

    @admin.display(description="model", ordering="model")
    def name(self, model: TrainedModel) -> str:
        return short(model.model)

    @admin.display(description="task", ordering="task")
    def task_name(self, model: TrainedModel) -> str:
        return short(model.task)

    @admin.display(description="MB", ordering="bytes")
    def megabytes(self, model: TrainedModel) -> str:
        return f"{model.bytes / 1e6:,.1f}" if model.bytes else ""

    @admin.display(description="made (UTC)", ordering="created_at")
    def created(self, model: TrainedModel) -> str:
        return f"{model.created_at:%Y-%m-%d %H:%M}"

    @admin.display(description="removed (UTC)", ordering="removed_at")
    def removed(self, model: TrainedModel) -> str:
        return f"{model.removed_at:%Y-%m-%d %H:%M}" if model.removed_at else ""


def _may_cancel(request: HttpRequest) -> bool:
    return request.user.has_perm("continuous_training.change_trainingrun")


def _figure(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.4g}"
    return "" if value is None else visible(str(value))
