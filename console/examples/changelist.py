"""Django's list of a model, made to answer in the same time however many examples there are."""

from collections.abc import Mapping
from typing import Any, Literal, cast

from django.contrib.admin import ListFilter
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from capture_app.models import ExampleIndex
from console.access import VIEW_TEXT, may
from console.examples.dates import date_links
from console.examples.listing import STRETCH, Listing
from console.examples.search.finding import MOST
from console.examples.sidebar import filters, link
from console.examples.wanted import DATES, PREVIEWS, parameters, read
from console.examples.whereabouts import facts_of

TIME = "time"  # the one column that the list can be sorted by


class ExampleChangeList(ChangeList):
    """What the address wants is read once, by `wanted`; nothing else of it reaches the database."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.may_read = may(request.user, VIEW_TEXT)
        self.wanted, self.asked, _ = read(request.GET, may_read=self.may_read)
        self.listing = Listing(self.wanted, may_read=self.may_read)
        super().__init__(request, *args, **kwargs)

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[ExampleIndex]:
        """All that is wanted, for actions on all of it."""
        shown = filters(self.wanted, self.asked, may_read=self.may_read)
        self.filter_specs = cast("list[ListFilter]", shown)  # which the templates cannot tell from Django's own
        self.has_filters, self.has_active_filters = True, self.wanted.has_filters
        names = [*(each.parameter for each in shown), *DATES]
        self.clear_all_filters_qs = link(self.asked, **dict.fromkeys(names, ""))
        return self.listing.examples()

    def get_results(self, request: HttpRequest) -> None:
        self.page = self.listing.page(self.list_per_page)
        self.dates = date_links(self.wanted, self.asked)
        facts = facts_of(self.page.rows)
        for row in self.page.rows:
            row.facts = facts[row.pk]  # type: ignore[attr-defined]  # for the columns of this list
        self.result_list = self.page.rows
        # Nobody counts: one more than is shown stands for "more", which offers to act on all that is wanted.
        self.result_count = len(self.page.rows) + bool(self.page.next or self.page.previous)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False

    def get_ordering_field_columns(self) -> dict[int, Literal["asc", "desc"]]:
        return {self.list_display.index(TIME): "asc" if self.wanted.is_oldest_first else "desc"}

    def get_query_string(self, new_params: Mapping[str, Any] | None = None, remove: Any = None) -> str:
        """For the links in the heads of the columns."""
        return link(self.asked, **{name: str(value or "") for name, value in (new_params or {}).items()})

    # --- For the templates -------------------------------------------------------------------------------------------

    @property
    def next_link(self) -> str:
        return self._page_link("after", self.page.next.token) if self.page.next else ""

    @property
    def previous_link(self) -> str:
        return self._page_link("before", self.page.previous.token) if self.page.previous else ""

    @property
    def first_link(self) -> str:
        return link(self.asked) if self.wanted.after or self.wanted.before else ""

    @property
    def first_text(self) -> str:
        return "Oldest" if self.wanted.is_oldest_first else "Newest"

    @property
    def previous_text(self) -> str:
        if self.wanted.before and self.page.looked_until:
            return "Look further"
        return "Older" if self.wanted.is_oldest_first else "Newer"

    @property
    def next_text(self) -> str:
        if not self.wanted.before and self.page.looked_until:
            return "Look further"
        return "Newer" if self.wanted.is_oldest_first else "Older"

    @property
    def clear_search_link(self) -> str:
        return link(self.asked, q="", look_in="")

    @property
    def stretch(self) -> str:
        return f"{STRETCH:,}"

    @property
    def most_hits(self) -> str:
        return f"{MOST:,}"

    @property
    def previews_link(self) -> str:
        return link(self.asked, look_in=PREVIEWS)

    @property
    def other_params(self) -> list[tuple[str, str]]:
        """What the search form keeps."""
        return [
            (name, value) for name, value in parameters(self.asked) if name not in ("q", "look_in", "after", "before")
        ]

    def _page_link(self, name: str, token: str) -> str:
        return link(self.asked, **{name: token})
