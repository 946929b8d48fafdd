"""Pages: put tags on examples, and take them off."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from capture_app.exceptions import CaptureError
from capture_app.judgments import set_tags
from capture_app.models import ExampleTag
from capture_app.wording import counted
from console import audit
from console.access import REVIEW, needs
from console.actions.exceptions import ActionError
from console.actions.forms import TagForm
from console.actions.pages import Pages
from console.actions.selection import Selection, batches, from_request
from console.models import AuditEvent

_SHOWN = 50  # tags; what is typed counts


class TagPages(Pages):
    @needs(REVIEW)
    def tag(self, request: HttpRequest) -> HttpResponseBase:
        try:
            selection = from_request(request)
        except ActionError as error:
            return self.refuse(request, error)
        if "save" not in request.POST:
            return self.ask(request, selection)
        form = TagForm(request.POST)
        if form.is_valid() and self._is_done(request, selection, form):
            return HttpResponseRedirect(self.came_from(request))
        return self.ask(request, selection, form)

    def ask(self, request: HttpRequest, selection: Selection, form: TagForm | None = None) -> HttpResponseBase:
        """The form, with the tags that the examples have."""
        self.say_unknown(request, selection)
        return self.render(
            request,
            "tag",
            f"Tag {counted(len(selection), 'example')}",
            selection=selection,
            form=form or TagForm(),
            tags=_tags_of(selection),
            next=self.came_from(request),
        )

    def _is_done(self, request: HttpRequest, selection: Selection, form: TagForm) -> bool:
        add, remove = form.cleaned_data["add"], form.cleaned_data["remove"]
        try:
            with transaction.atomic(using=router.db_for_write(AuditEvent)):
                tagged = set_tags(selection.ids, add=add, remove=remove, by=request.user.get_username())
                details = {"added": len(add), "removed": len(remove)}
                audit.note(
                    request.user, audit.TAGGED, example=selection.only_id, examples=len(selection), details=details
                )
        except CaptureError as error:
            form.add_error(None, ValidationError(str(error)))
            return False
        messages.success(request, f"Changed the tags of {counted(tagged, 'example')}.")
        return True


def _tags_of(selection: Selection) -> list[tuple[str, int]]:
    """The tags that people put on the examples, the commonest first, each with how many bear it."""
    counts: dict[str, int] = {}
    for some in batches(selection.ids):
        for tag in ExampleTag.objects.filter(example_id__in=some).values_list("tag", flat=True):
            counts[tag] = counts.get(tag, 0) + 1
    return sorted(counts.items(), key=lambda found: (-found[1], found[0]))[:_SHOWN]
