"""What the pages of conversations and of training files share."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, HttpRequest

from capture_app import pages_admin
from training_archive.shipping.exceptions import ShippingError
from training_files.exceptions import NotFound, TrainingFilesError


class Told(pages_admin.Told):
    """What a service refuses within it is shown on the page that comes next, and nothing else is done."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, TrainingFilesError, ShippingError)


def found_or_404(find: Callable[[], Any]) -> Any:
    try:
        return find()
    except NotFound as error:
        raise Http404(str(error)) from error


class PagesAdmin(pages_admin.PagesAdmin):
    templates = "training_files/admin"
