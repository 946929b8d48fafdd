"""What the queue is asked for: which examples, in which order. It stands in the URL, so that a queue can be sent on."""

import secrets
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django import forms
from django.http import QueryDict

UNREVIEWED: Final = "unreviewed"
STATES: Final = {
    UNREVIEWED: "Not reviewed yet",
    "good": "Good",
    "bad": "Bad",
    "corrected": "Corrected",
    "any": "All",
}
NEWEST: Final = "newest"
SAMPLE: Final = "sample"
ORDERS: Final = {NEWEST: "Newest first", SAMPLE: "Random sample, each prompt once"}

_SEEDS: Final = 2**31
_NAME_CHARACTERS: Final = 200  # the index cuts the names of tasks and models there


@dataclass(frozen=True, slots=True)
class Filters:
    """One queue. The names are those of the fields of FiltersForm, and of the query string."""

    task: str = ""
    model: str = ""
    state: str = UNREVIEWED
    below: float | None = None  # some feedback has a score below this
    tag: str = ""
    since: date | None = None  # a day in UTC, which is included
    order: str = NEWEST
    seed: int = 0  # of the random sample: the same seed gives the same one

    def query(self, **place: str) -> str:
        """As a query string, without what is at its default; `place` is added, see views."""
        default = Filters()
        values = {name: value for name, value in self.values().items() if value != getattr(default, name)}
        return urlencode({**values, **place})

    @property
    def in_words(self) -> str:
        """For a heading."""
        said = {
            "task {}": self.task,
            "model {}": self.model,
            "feedback below {:g}": self.below,
            "tag {}": self.tag,
            "since {}": self.since,
        }
        named = [words.format(value) for words, value in said.items() if value not in (None, "")]
        return ", ".join([STATES[self.state].lower(), *named, ORDERS[self.order].lower()])

    def values(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def since_moment(self) -> datetime | None:
        return None if self.since is None else datetime.combine(self.since, datetime.min.time(), UTC)


class FiltersForm(forms.Form):
    """Reads and shows Filters. What cannot be read falls back to the default, and is told."""

    task = forms.CharField(required=False, max_length=_NAME_CHARACTERS)
    model = forms.CharField(required=False, max_length=_NAME_CHARACTERS)
    state = forms.ChoiceField(required=False, choices=STATES.items(), label="Reviewed")
    below = forms.FloatField(required=False, label="Feedback below")
    tag = forms.CharField(required=False, max_length=100)
    since = forms.DateField(required=False, label="Since (UTC)", widget=forms.DateInput(attrs={"type": "date"}))
    order = forms.ChoiceField(required=False, choices=ORDERS.items())
    seed = forms.IntegerField(required=False, min_value=0, max_value=_SEEDS - 1, widget=forms.HiddenInput)


def read_filters(query: QueryDict) -> tuple[Filters, list[str]]:
    """The filters in a query string, and a sentence for each that could not be read: hostile ones are left out."""
    form = FiltersForm(query)
    form.is_valid()
    given: dict[str, Any] = {name: value for name, value in form.cleaned_data.items() if value not in (None, "")}
    if given.get("order") == SAMPLE and "seed" not in given:
        given["seed"] = secrets.randbelow(_SEEDS)
    left_out = [f"The filter “{form[name].label}” was left out: {errors[0]}" for name, errors in form.errors.items()]
    return Filters(**given), left_out
