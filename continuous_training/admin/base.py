"""What the pages of the loop share."""

from django.http import HttpRequest

from capture_app import pages_admin
from capture_app.exceptions import CaptureError


class Told(pages_admin.Told):
    """What a service refuses within it is shown on the page that comes next, and nothing else is done."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, CaptureError)


class PagesAdmin(pages_admin.PagesAdmin):
    """Nobody adds, edits or deletes by Django's forms; a page may offer verbs of its own."""

    templates = "continuous_training/admin"
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False
