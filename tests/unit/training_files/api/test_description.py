"""The OpenAPI description, and the page that shows it."""

from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls.base import clear_script_prefix, set_script_prefix
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.unit.training_files.api.asking import Asking, problem
from training_files.api.description import openapi
from training_files.api.urls import below


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [(name, each) for methods in openapi()["paths"].values() for name, each in methods.items()]


def test_the_description_is_valid_and_made_without_a_warning() -> None:
    validate_schema(openapi())

    assert not GENERATOR_STATS


def test_everybody_gets_the_description_without_a_database() -> None:
    assert Asking().get("/openapi.json").json() == openapi()


def test_every_path_of_the_api_is_described() -> None:
    described = {path.rpartition("/api/training-files/")[2] for path in openapi()["paths"]} - {"/api/training-files"}
    routes = {str(each.pattern).replace("<str:", "{").replace("<path:", "{").replace(">", "}") for each in below[:-1]}

    assert described == routes - {"openapi.json", "docs"}


def test_only_a_link_needs_no_token() -> None:
    public = [each["operationId"] for _, each in operations() if not each.get("security")]

    assert public == ["downloadContent"]


def test_every_operation_says_which_scope_it_needs() -> None:
    for method, operation in operations():
        needed = [found["token"] for found in operation.get("security", []) if "token" in found]
        assert needed in ([], [["training_files:read" if method == "get" else "training_files:write"]])


def test_every_answer_that_is_no_success_has_the_same_shape() -> None:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}

    for _, operation in operations():
        problems = {status: each for status, each in operation["responses"].items() if status >= "400"}
        assert problems
        assert all(each["content"] == error for each in problems.values()), operation["operationId"]


def test_every_post_takes_a_key() -> None:
    for method, operation in operations():
        takes_one = any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", []))
        assert takes_one == (method == "post"), operation["operationId"]


def test_how_many_conversations_a_request_may_name_is_said(settings: Any) -> None:
    found = openapi()["components"]["schemas"]["NewTrainingFile"]["properties"]["conversation_ids"]

    assert (found["minItems"], found["maxItems"], found["uniqueItems"]) == (1, 80, True)


def test_settings_of_a_project_are_as_they_were() -> None:
    openapi()

    assert (spectacular_settings.TITLE, spectacular_settings.OAS_VERSION) == ("", "3.0.3")


def test_the_description_knows_where_the_site_is_mounted() -> None:
    set_script_prefix("/below/")
    try:
        assert openapi()["servers"] == [{"url": "/below"}]
    finally:
        clear_script_prefix()


def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline() -> None:
    response = Client().get("/api/training-files/docs")

    text = response.content.decode()
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "<style" not in text
    assert "<script>" not in text
    assert "://" not in text
    for path in ("drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js", "training_files/api_page.js"):
        assert f"/static/{path}" in text
        assert finders.find(path)


@pytest.mark.parametrize("method", ["post", "delete"])
def test_the_description_is_only_read(method: str) -> None:
    assert problem(Asking().ask(method, "/openapi.json")) == (405, "method_not_allowed")


def test_examples_are_as_the_description_says() -> None:
    described = openapi()
    resource = Resource.from_contents(described, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:api", resource)
    shown = {name: each["examples"] for name, each in described["components"]["schemas"].items() if "examples" in each}

    assert len(shown) == 6
    for name, examples in shown.items():
        validator = Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=registry)
        for example in examples:
            validator.validate(example)
