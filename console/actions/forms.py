"""What the pages ask. Nothing that comes out of an example is ever a form's initial value or choice."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from console.actions.exporting import DEDUPE_CHOICES, FORMAT_CHOICES, SPLIT_CHOICES, is_name, is_taken
from console.actions.replaying import route_choices

_TAGS_CHARACTERS = 2_000


class TagForm(forms.Form):
    add = forms.CharField(required=False, max_length=_TAGS_CHARACTERS, label="Tags to put on")
    remove = forms.CharField(required=False, max_length=_TAGS_CHARACTERS, label="Tags to take off")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned |= {
            name: [tag for tag in map(str.strip, cleaned.get(name, "").split(",")) if tag] for name in self.fields
        }
        if not any(cleaned.values()) and not self.errors:
            raise ValidationError("Name a tag to put on, or one to take off.")
        return cleaned


class ExportForm(forms.Form):
    format = forms.ChoiceField(choices=FORMAT_CHOICES)
    dedupe = forms.ChoiceField(choices=DEDUPE_CHOICES, label="Keep")
    split = forms.ChoiceField(choices=SPLIT_CHOICES, label="Split")
    name = forms.CharField(
        required=False, max_length=80, label="Name", help_text="a to z, digits, - and _; left empty, one is made"
    )

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip().lower()
        if name and not is_name(name):
            raise ValidationError("A name has letters a to z, digits, - and _, and begins with a letter or digit.")
        if name and is_taken(name):
            raise ValidationError("There is a data set of that name, or an export that is to write it. Choose another.")
        return name


class ForgetForm(forms.Form):
    """Confirms that the person knows how many examples it is about."""

    confirm = forms.CharField(max_length=20, label="Number of examples")

    def __init__(self, *args: Any, examples: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._examples = examples
        self.fields["confirm"].widget.attrs |= {"inputmode": "numeric", "autocomplete": "off"}

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"].strip().replace(",", "")
        if typed != str(self._examples):
            raise ValidationError("That is not the number of examples. Nothing was erased.")
        return typed


class ReplayForm(forms.Form):
    route = forms.ChoiceField(label="Route")
    model = forms.CharField(
        required=False, max_length=200, label="Or a model", help_text="by its own name, asked of the default provider"
    )
    capture = forms.BooleanField(required=False, label="Capture the new answer as an example")

    def __init__(self, *args: Any, task: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["route"].choices = route_choices(task)  # type: ignore[attr-defined]  # it is a ChoiceField
