"""Where the pages of examples are. An id may hold any character: addresses have it as the admin quotes it."""

from typing import Final

from django.contrib.admin.utils import quote
from django.urls import NoReverseMatch, reverse

_PAGE: Final = "admin:console_example"
_ATTACHMENT: Final = "admin:console_example_attachment"


def page_address(example_id: str) -> str:
    """The page of the example; "" for an id that can have none."""
    return address_or_none(_PAGE, quote(example_id))


def attachment_address(example_id: str, name: str) -> str:
    """A file out of the example's messages."""
    return address_or_none(_ATTACHMENT, quote(example_id), name)


def address_or_none(view: str, *arguments: str) -> str:
    """ "" when there is no such page: not every app that could have one is installed."""
    try:
        return reverse(view, args=arguments)
    except NoReverseMatch:
        return ""
