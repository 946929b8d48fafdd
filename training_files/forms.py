"""Forms of the pages that add conversations to training files. The services decide; these only read what was typed."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from capture_app.shown import short
from training_files.creating import LONGEST_NAME, LONGEST_TEXT
from training_files.models import TrainingFile

_MOST_CHOICES = 200


class AddForm(forms.Form):
    """Into which training file: one that there is, or a new one."""

    training_file = forms.ModelChoiceField(
        queryset=TrainingFile.objects.none(), required=False, empty_label="a new one"
    )
    name = forms.CharField(max_length=LONGEST_NAME, required=False, label="Name of a new one")
    description = forms.CharField(max_length=LONGEST_TEXT, required=False, label="Description of a new one")

    def __init__(self, data: Any = None, *, files: QuerySet[TrainingFile], may_make: bool) -> None:
        """`files`: those that may be added to."""
        super().__init__(data)
        newest = files.filter(status=TrainingFile.Status.ACTIVE).order_by("-updated_at")[:_MOST_CHOICES]
        field: Any = self.fields["training_file"]
        field.label_from_instance = lambda each: short(each.name)
        field.queryset = TrainingFile.objects.filter(pk__in=[each.pk for each in newest]).order_by("name")
        if not may_make:
            field.required, field.empty_label = True, None
            del self.fields["name"], self.fields["description"]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and bool(given.get("training_file")) == bool(given.get("name")):
            raise ValidationError("Either choose a training file, or give the name of a new one.")
        return given
