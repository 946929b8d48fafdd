"""Evaluations in the admin: the report, and the way to the gate."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, reverse

from capture_app.shown import short
from continuous_training.admin.base import PagesAdmin, Told
from continuous_training.evaluation.metrics import Metrics
from continuous_training.evaluation.report import report_context
from continuous_training.models import Evaluation, Promotion
from continuous_training.promotion.service import propose


@admin.register(Evaluation)
class EvaluationAdmin(PagesAdmin):
    list_display = ("begun", "task_name", "candidate", "incumbent", "state", "score", "gain")
    list_filter = ("state",)
    search_fields = ("task", "candidate_model")
    search_help_text = "A part of the task, or of the candidate's name"

    def own_urls(self) -> list[URLPattern]:
        return [self.own("<str:evaluation_id>/propose/", self.propose, "propose")]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        evaluation = self._found(request, unquote(object_id))
        is_done = evaluation.state == Evaluation.State.DONE
        return self.render(
            request,
            "evaluation",
            f"Evaluation of {short(evaluation.candidate_model)}",
            evaluation=evaluation,
            report=report_context(evaluation) if is_done else None,
            promotion=Promotion.objects.filter(evaluation=evaluation).first(),
            may_propose=is_done and _may_propose(request),
        )

    def propose(self, request: HttpRequest, evaluation_id: str) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.must(_may_propose(request))
        evaluation = self._found(request, evaluation_id)
        with Told(request):
            promotion = propose(evaluation.pk, by=request.user.get_username())
            messages.success(request, f"The gate has judged it: {promotion.get_state_display()}.")
            return HttpResponseRedirect(reverse("admin:continuous_training_promotion_change", args=[promotion.pk]))
        return self.go_to(evaluation)

    def _found(self, request: HttpRequest, object_id: str) -> Evaluation:
        self.must(self.has_view_permission(request))
        evaluation: Evaluation | None = self.get_object(request, object_id)
        if evaluation is None:
            raise Http404("There is no such evaluation.")
        return evaluation

    @admin.display(description="begun (UTC)", ordering="created_at")
    def begun(self, evaluation: Evaluation) -> str:
        return f"{evaluation.created_at:%Y-%m-%d %H:%M}"

    @admin.display(description="task", ordering="task")
    def task_name(self, evaluation: Evaluation) -> str:
        return short(evaluation.task)

    @admin.display(ordering="candidate_model")
    def candidate(self, evaluation: Evaluation) -> str:
        return short(f"{evaluation.candidate_provider}/{evaluation.candidate_model}")

    @admin.display(ordering="incumbent_model")
    def incumbent(self, evaluation: Evaluation) -> str:
        if not evaluation.incumbent_provider:
            return ""
        return short(f"{evaluation.incumbent_provider}/{evaluation.incumbent_model}")

    @admin.display
    def score(self, evaluation: Evaluation) -> str:
        return f"{Metrics.from_json(evaluation.metrics).candidate.score:.3f}" if evaluation.metrics else ""

    @admin.display(description="gain (95 % interval)")
    def gain(self, evaluation: Evaluation) -> str:
        gain = Metrics.from_json(evaluation.metrics).gain if evaluation.metrics else None
        return f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})" if gain else ""


def _may_propose(request: HttpRequest) -> bool:
    return request.user.has_perm("continuous_training.add_promotion")
