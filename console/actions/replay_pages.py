"""Pages: a recorded call, sent again, and the two answers side by side."""

from typing import Any

from django.db import router, transaction
from django.http import HttpRequest, HttpResponseBase

from capture_app.conf import capture_settings
from capture_app.models import ExampleIndex
from capture_app.shown import Budget
from console import audit
from console.access import REPLAY, needs
from console.actions.exceptions import CannotReplay
from console.actions.forms import ReplayForm
from console.actions.pages import Pages
from console.actions.replaying import SECONDS, RecordedCall, answer_of, model_of, recorded_call, replay
from console.actions.selection import PARAMETER
from console.example_page.differences import ADDED, REMOVED, word_difference
from console.example_page.finding import UNKNOWN, find_example, find_row
from console.models import AuditEvent


class ReplayPages(Pages):
    @needs(REPLAY)
    def replay(self, request: HttpRequest, example_id: str = "") -> HttpResponseBase:
        example_id = example_id or request.GET.get(PARAMETER, "")
        row, trouble = find_row(example_id)
        found = find_example(row) if row else None
        if row is None or found is None or found.example is None:
            page = self.render(
                request, "replay", "Replay a call", trouble=(found.trouble if found else trouble) or UNKNOWN
            )
            page.status_code = 200 if row else 404
            return page
        try:
            call = recorded_call(found.example)
        except CannotReplay as error:
            return self.render(request, "replay", "Replay a call", row=row, problem=str(error))
        return self._replay(request, row, call)

    def _replay(self, request: HttpRequest, row: ExampleIndex, call: RecordedCall) -> HttpResponseBase:
        form = ReplayForm(request.POST or None, task=call.task)
        asked = request.method == "POST" and form.is_valid()
        outcome = self._ask(request, row, call, form.cleaned_data) if asked else {}
        budget = Budget()
        return self.render(
            request,
            "replay",
            "Replay a call",
            row=row,
            call=call,
            form=form,
            turns=[(role, budget.text(text)) for role, text in call.turns],
            is_redacted=bool(capture_settings().redact),
            seconds=SECONDS,
            **outcome,
        )

    def _ask(
        self, request: HttpRequest, row: ExampleIndex, call: RecordedCall, chosen: dict[str, Any]
    ) -> dict[str, Any]:
        """Nothing of the answer is kept here, so it is shown at once, and not after a redirect."""
        with transaction.atomic(using=router.db_for_write(AuditEvent)):
            audit.note(request.user, audit.REPLAYED, example=row.pk, details={"captured": chosen["capture"]})
        try:
            answer = replay(call, model=model_of(chosen["route"], chosen["model"]), captured=chosen["capture"])
        except CannotReplay as error:
            return {"problem": str(error)}
        text = answer_of(answer)
        pieces = word_difference(call.answer, text)
        return {
            "answer": answer,
            "is_same": text == call.answer,
            "old_pieces": [piece for piece in pieces if piece.kind != ADDED] if pieces is not None else None,
            "new_pieces": [piece for piece in pieces if piece.kind != REMOVED] if pieces is not None else None,
            "old_text": Budget().text(call.answer),
            "new_text": Budget().text(text),
            "calls_tools": bool(answer.tool_calls),
            "was_captured": chosen["capture"],
        }
