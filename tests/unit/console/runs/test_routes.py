"""The page of routes: what answers now, and what did. Never a key."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from capture_app.routing.config import Target, single
from capture_app.routing.service import set_route
from console.models import AuditEvent, DailyFigure
from console.runs.routes import RouteLine, answered_lines, provider_lines, route_lines

pytestmark = pytest.mark.django_db

ROUTES = "admin:console_runs_routes"
OPENAI = {
    "BACKEND": "capture_app.providers.openai_compatible.OpenAICompatibleProvider",
    "OPTIONS": {"api_key": "sk-secret", "base_url": "https://user:password@models.example/v1"},
}
OFFLINE = {"BACKEND": "capture_app.providers.offline.OfflineProvider"}


def figure(task: str, model: str, day: date, examples: int, **values: Any) -> None:
    DailyFigure.objects.create(
        grouping=DailyFigure.Grouping.TASK_AND_MODEL,
        task=task,
        model_name=model,
        day=day,
        examples=examples,
        **{"input_tokens": 0, "output_tokens": 0, "cost_usd": 0, "priced": 0, "latencies": {}, **values},
    )


def test_each_task_or_alias_leads_to_its_provider_and_model(capture: Callable[..., None]) -> None:
    capture(
        PROVIDERS={"offline": OFFLINE, "openai": OPENAI},
        ROUTES={"shop": {"PROVIDER": "openai", "MODEL": "gemma-3"}, "fast": {"MODEL": "tiny"}},
    )

    assert route_lines() == [
        RouteLine(name="fast", provider="offline", model="tiny", problem=""),
        RouteLine(name="shop", provider="openai", model="gemma-3", problem=""),
        RouteLine(name="", provider="offline", model="", problem=""),
    ]


def test_a_route_to_nowhere_is_said(capture: Callable[..., None]) -> None:
    capture(PROVIDERS={"offline": OFFLINE}, ROUTES={"shop": {"PROVIDER": "gone", "MODEL": "m"}})

    assert route_lines()[0].problem == "PROVIDERS has none of that name"


def test_a_route_without_a_provider_is_said(capture: Callable[..., None], log_in: Callable[..., Client]) -> None:
    capture(PROVIDERS={"offline": OFFLINE}, ROUTES={"shop": {"PROVIDER": "", "MODEL": "m"}})

    assert route_lines()[0].problem == "PROVIDERS has none of that name"
    assert log_in("view_figures").get(reverse(ROUTES)).status_code == 200


def test_a_backend_that_cannot_be_loaded_is_said(capture: Callable[..., None]) -> None:
    capture(PROVIDERS={"offline": {"BACKEND": "no.such.Module"}, "odd": {"BACKEND": "json"}})

    assert {line.problem for line in provider_lines()} == {"its BACKEND cannot be loaded"}
    assert route_lines()[0].problem == "its BACKEND cannot be loaded"


def test_the_page_names_providers_and_neither_keys_nor_addresses(
    log_in: Callable[..., Client], capture: Callable[..., None]
) -> None:
    capture(PROVIDERS={"offline": OFFLINE, "openai": OPENAI}, ROUTES={"<b>": {"PROVIDER": "openai", "MODEL": "<i>"}})

    page = log_in("view_figures").get(reverse(ROUTES)).content.decode()

    assert "OpenAICompatibleProvider" in page
    assert "&lt;b&gt;" in page
    for secret in ("sk-secret", "password", "models.example", "<i>"):
        assert secret not in page.partition('id="content-main"')[2]


def test_the_history_is_what_the_captured_examples_have(log_in: Callable[..., Client]) -> None:
    figure("shop", "big", date(2026, 1, 1), 1_000)
    figure("shop", "big", date(2026, 1, 5), 234)
    figure("shop", "tuned", date(2026, 1, 5), 7)

    assert [(line.task, line.model, line.first, line.last, line.examples) for line in answered_lines()] == [
        ("shop", "tuned", date(2026, 1, 5), date(2026, 1, 5), "7"),
        ("shop", "big", date(2026, 1, 1), date(2026, 1, 5), "1,234"),
    ]
    page = log_in("view_figures").get(reverse(ROUTES)).content.decode()
    assert "2026-01-01" in page
    assert "1,234" in page


def test_an_empty_history_says_how_it_comes_to_be(log_in: Callable[..., Client]) -> None:
    assert "Nothing was counted yet" in log_in("view_figures").get(reverse(ROUTES)).content.decode()


def test_the_page_asks_the_database_little(
    log_in: Callable[..., Client], django_assert_max_num_queries: Callable[..., Any]
) -> None:
    client = log_in("view_figures")
    for number in range(50):
        figure(f"task {number}", "m", date(2026, 1, 1), 1)
        set_route(f"task {number}", single(Target("offline", "m")), by="ada")

    with django_assert_max_num_queries(7):
        client.get(reverse(ROUTES))


# --- Stored routes -----------------------------------------------------------------------------------------------


def stored(*models: str) -> None:
    for model in models:
        set_route("shop", single(Target("offline", model)), by="ada", reason=f"to <b>{model}</b>")


def undo(client: Client, version: int, name: str = "shop") -> str:
    answer = client.post(reverse("admin:console_runs_undo_route"), {"route": name, "version": version}, follow=True)
    return answer.content.decode()


def test_a_stored_route_wins_and_says_so(capture: Callable[..., None]) -> None:
    capture(PROVIDERS={"offline": OFFLINE}, DEFAULT_PROVIDER="offline", ROUTES={"shop": {"MODEL": "old"}})
    stored("new")

    shop = route_lines()[0]

    assert (shop.model, shop.told, shop.version, shop.is_undoable) == ("new", "offline/new", 1, True)


def test_the_page_tells_of_changes_and_their_reasons_are_text(log_in: Callable[..., Client]) -> None:
    stored("one", "two")

    html = log_in("view_figures").get(reverse(ROUTES)).content.decode()

    assert html.index("to &lt;b&gt;two") < html.index("to &lt;b&gt;one")
    assert "Undo version" not in html


def test_who_may_change_routes_undoes_the_last_change(log_in: Callable[..., Client]) -> None:
    stored("one", "two")
    client = log_in("change_routes")
    assert "Undo version 2 of" in client.get(reverse(ROUTES)).content.decode()

    html = undo(client, 2)

    assert "Now shop goes to offline/one." in html
    assert AuditEvent.objects.get(action="routed").details == {"route": "shop", "version": 3}


def test_what_changed_meanwhile_is_not_undone(log_in: Callable[..., Client]) -> None:
    stored("one", "two")

    assert "was changed by somebody else meanwhile" in undo(log_in("change_routes"), 1)
    assert route_lines()[0].model == "two"
    assert not AuditEvent.objects.filter(action="routed").exists()


def test_without_the_right_nothing_is_undone(log_in: Callable[..., Client]) -> None:
    stored("one")
    url = reverse("admin:console_runs_undo_route")

    assert log_in("run_archive").post(url, {"route": "shop", "version": 1}).status_code == 403
