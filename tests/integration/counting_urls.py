"""A page that makes a captured call and says which process answered, beside capture's own pages."""

import os

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from capture_app import call_llm


def call(request: HttpRequest) -> HttpResponse:
    response = call_llm("What is the price?", task="shop", training_metadata={})
    return HttpResponse(str(os.getpid()), status=200 if response.example_id else 500)


urlpatterns = [path("call", call), path("", include("capture_app.urls"))]
