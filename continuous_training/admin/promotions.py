"""Promotions in the admin: what the gate found, and a person's word."""

import math
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.urls import URLPattern

from capture_app.routing.describing import describe_target
from capture_app.shown import short, visible
from continuous_training.admin.base import PagesAdmin, Told
from continuous_training.models import Promotion
from continuous_training.promotion.deciders import may_decide
from continuous_training.promotion.service import approve, incumbent_of, reject, undo

_WHY: Final = 500  # characters
_State = Promotion.State


class DecisionForm(forms.Form):
    """A person's word."""

    share = forms.FloatField(
        label="Percent of the calls", min_value=0.1, max_value=100, initial=5, help_text="5 is a canary, 100 is all."
    )
    reason = forms.CharField(label="Why", max_length=_WHY, widget=forms.Textarea(attrs={"rows": 2}))

    def clean_share(self) -> float:
        share: float = self.cleaned_data["share"]
        if not math.isfinite(share):
            raise forms.ValidationError("Enter a number.")
        return share


@admin.register(Promotion)
class PromotionAdmin(PagesAdmin):
    list_display = ("proposed", "task_name", "candidate", "state", "percent", "decider")
    list_filter = ("state",)
    search_fields = ("task", "model_name")
    search_help_text = "A part of the task, or of the model"

    def own_urls(self) -> list[URLPattern]:
        return [self.own("<int:promotion_id>/decide/", self.decide, "decide")]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return self._page(request, self._found(request, unquote(object_id)))

    def decide(self, request: HttpRequest, promotion_id: int) -> HttpResponseBase:
        """What the button says that was pressed. Who may not decide is told so."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.must(may_decide(request.user))
        promotion = self._found(request, str(promotion_id))
        form = DecisionForm(request.POST)
        if "approve" not in request.POST:
            del form.fields["share"]
        if not form.is_valid():
            return self._page(request, promotion, form)
        with Told(request):
            messages.success(request, _decided(promotion, request, form.cleaned_data))
        return self.go_to(promotion)

    def _found(self, request: HttpRequest, object_id: str) -> Promotion:
        self.must(self.has_view_permission(request))
        promotion = self.get_object(request, object_id)
        if promotion is None:
            raise Http404("There is no such promotion.")
        found: Promotion = promotion
        return found

    def _page(self, request: HttpRequest, promotion: Promotion, form: DecisionForm | None = None) -> HttpResponse:
        incumbent = incumbent_of(promotion)
        return self.render(
            request,
            "promotion",
            short(str(promotion)),
            promotion=promotion,
            candidate=visible(f"{promotion.provider}/{promotion.model_name}"),
            incumbent=visible(str(incumbent)) if incumbent else "",
            checks=promotion.gate,
            route_from=visible(describe_target(promotion.route_from)),
            route_to=visible(describe_target(promotion.route_to)) if promotion.route_to else "",
            may_decide=may_decide(request.user),
            is_open=promotion.state == _State.PROPOSED,
            is_live=promotion.state == _State.APPROVED,
            form=form or DecisionForm(initial={"share": promotion.share or 5}),
        )

    @admin.display(description="proposed (UTC)", ordering="proposed_at")
    def proposed(self, promotion: Promotion) -> str:
        return f"{promotion.proposed_at:%Y-%m-%d %H:%M}"

    @admin.display(description="task", ordering="task")
    def task_name(self, promotion: Promotion) -> str:
        return short(promotion.task)

    @admin.display(ordering="model_name")
    def candidate(self, promotion: Promotion) -> str:
        return short(f"{promotion.provider}/{promotion.model_name}")

    @admin.display(description="% of the calls", ordering="share")
    def percent(self, promotion: Promotion) -> str:
        return f"{promotion.share:g}" if promotion.share else ""

    @admin.display(description="decided by", ordering="decided_by")
    def decider(self, promotion: Promotion) -> str:
        return short(promotion.ended_by or promotion.decided_by)


def _decided(promotion: Promotion, request: HttpRequest, said: dict[str, Any]) -> str:
    by, reason = request.user.get_username(), said["reason"]
    if "approve" in request.POST:
        approve(promotion.pk, by=by, reason=reason, share=said["share"])
        return f"It answers {said['share']:g} % of the calls from now on, in every process within seconds."
    if "reject" in request.POST:
        reject(promotion.pk, by=by, reason=reason)
        return "It was rejected. The route is as it was."
    undo(promotion.pk, by=by, reason=reason)
    return "It was rolled back: the route is as it was before, in every process within seconds."
