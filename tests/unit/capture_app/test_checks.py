"""What `manage.py check` says about TRAINING_CAPTURE."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks


def found() -> list[CheckMessage]:
    return [message for message in run_checks() if str(message.id).startswith("capture_app.")]


def test_settings_that_are_right_pass() -> None:
    assert found() == []


def test_everything_wrong_is_said_at_once(settings: Any) -> None:
    settings.TRAINING_CAPTURE = {
        "DATADIR": "/data",
        "INBOX": "no.such.Inbox",
        "SEGMENT_BYTES": 0,
        "DEFAULT_PROVIDER": "gone",
    }

    assert [message.id for message in found()] == [f"capture_app.E00{number}" for number in (1, 2, 5, 6, 7)]


def test_e001_says_which_key_is_unknown(capture: Callable[..., None]) -> None:
    capture(FSINK=True)

    [error] = found()

    assert error.id == "capture_app.E001"
    assert error.msg == "TRAINING_CAPTURE has no key 'FSINK'."
    assert "FSYNC" in str(error.hint)


def test_e001_says_when_the_setting_is_no_dict(settings: Any) -> None:
    settings.TRAINING_CAPTURE = ["DATA_DIR"]

    [error] = found()

    assert error.id == "capture_app.E001"
    assert error.msg == "TRAINING_CAPTURE is no dict."
    assert error.hint == 'TRAINING_CAPTURE = {"DATA_DIR": BASE_DIR / "backups"}'


def test_e002_says_that_the_data_dir_is_missing(settings: Any) -> None:
    settings.TRAINING_CAPTURE = {"DEFAULT_PROVIDER": "offline"}

    [error] = found()

    assert error.id == "capture_app.E002"
    assert 'TRAINING_CAPTURE = {"DATA_DIR": BASE_DIR / "backups"}' in str(error.hint)


@pytest.mark.parametrize("data_dir", [None, "", 7])
def test_e002_says_when_the_data_dir_is_no_path(capture: Callable[..., None], data_dir: Any) -> None:
    capture(DATA_DIR=data_dir)

    [error] = found()

    assert error.id == "capture_app.E002"


def test_e003_says_that_a_relative_data_dir_depends_on_where_a_process_starts(settings: Any) -> None:
    settings.TRAINING_CAPTURE = {"DATA_DIR": "backups", "DEFAULT_PROVIDER": "offline"}

    [error] = found()

    assert error.id == "capture_app.E003"
    assert "'backups'" in error.msg
    assert "Make it absolute" in str(error.hint)


@pytest.mark.parametrize(
    "config",
    [{"BACKEND": "no.such.Provider"}, {"BACKEND": "os.path.join"}, {}, "no.such.Provider"],
    ids=["no such class", "no provider", "no backend", "no dict"],
)
def test_e004_says_which_provider_cannot_be_used(capture: Callable[..., None], config: Any) -> None:
    capture(PROVIDERS={"mine": config}, DEFAULT_PROVIDER="mine")

    [error] = found()

    assert error.id == "capture_app.E004"
    assert "'mine'" in error.msg
    assert "capture_app.providers.base.Provider" in str(error.hint)


def test_e004_says_when_the_providers_are_no_dict(capture: Callable[..., None]) -> None:
    capture(PROVIDERS=["offline"])

    error = found()[0]

    assert error.id == "capture_app.E004"
    assert "['offline']" in error.msg


def test_e005_says_that_the_default_provider_is_not_configured(capture: Callable[..., None]) -> None:
    capture(DEFAULT_PROVIDER="gone")

    [error] = found()

    assert error.id == "capture_app.E005"
    assert error.msg == "DEFAULT_PROVIDER is 'gone', which PROVIDERS lacks."
    assert error.hint == "PROVIDERS has local, offline, openai."


def test_e005_says_which_route_leads_nowhere(capture: Callable[..., None]) -> None:
    capture(ROUTES={"shop": {"PROVIDER": "gone"}, "fine": {"PROVIDER": "offline"}, "default": {"MODEL": "gpt-5"}})

    [error] = found()

    assert error.id == "capture_app.E005"
    assert "Route 'shop'" in error.msg
    assert error.hint == 'A route is {"PROVIDER": ..., "MODEL": ...}; PROVIDERS has local, offline, openai.'


def test_e005_says_which_route_is_no_dict(capture: Callable[..., None]) -> None:
    capture(ROUTES={"shop": "gpt-5"})

    [error] = found()

    assert error.id == "capture_app.E005"
    assert error.msg.startswith("Route 'shop' is 'gpt-5'")


def test_e006_says_that_the_inbox_cannot_be_imported(capture: Callable[..., None]) -> None:
    capture(INBOX="capture_app.inbox.spool.NoSuchInbox")

    [error] = found()

    assert error.id == "capture_app.E006"
    assert "NoSuchInbox" in error.msg
    assert "capture_app.inbox.base.Inbox" in str(error.hint)


def test_e006_says_when_the_inbox_is_no_dotted_path(capture: Callable[..., None]) -> None:
    capture(INBOX=dict)

    [error] = found()

    assert error.id == "capture_app.E006"
    assert "is no dotted path" in error.msg


@pytest.mark.parametrize("key", ["SEGMENT_BYTES", "MEMORY_MB", "BLOB_BYTES"])
@pytest.mark.parametrize("size", [0, -1, 1.5, "1024", None, True])
def test_e007_wants_a_size_of_one_or_more(capture: Callable[..., None], key: str, size: Any) -> None:
    capture(**{key: size})

    [error] = found()

    assert (error.id, error.msg) == ("capture_app.E007", f"{key} is {size!r}.")
    assert error.hint == "It is a whole number, 1 or more."


@pytest.mark.parametrize("key", ["REDACT", "USER_ID"])
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("tests.no_such_module.redact", "No module named"),
        ("capture_app.example.TABLE", "cannot be called"),
        (len, "no dotted path"),
    ],
)
def test_e008_says_which_function_cannot_be_used(
    capture: Callable[..., None], key: str, path: Any, problem: str
) -> None:
    capture(**{key: path})

    [error] = found()

    assert (error.id, key in error.msg, problem in error.msg) == ("capture_app.E008", True, True)


@pytest.mark.parametrize(
    "price", [3, {"input": 1}, {"input": 1, "output": "2"}, {"input": 1, "output": -2}, {"input": 1, "ouput": 2}]
)
def test_e009_says_which_price_is_none(capture: Callable[..., None], price: Any) -> None:
    capture(PRICES={"good": {"input": 1, "cached_input": 0.5, "output": 2}, "small-1": price})

    [error] = found()

    assert (error.id, "'small-1'" in error.msg) == ("capture_app.E009", True)


@pytest.mark.parametrize("key", ["FSYNC", "SPANS"])
def test_e011_wants_true_or_false(capture: Callable[..., None], key: str) -> None:
    capture(**{key: "false"})

    [error] = found()

    assert (error.id, error.msg) == ("capture_app.E011", f"{key} is 'false'.")


def test_e003_says_that_the_folder_is_a_file(capture: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    capture(DATA_DIR=tmp_path / "file")

    [error] = found()

    assert (error.id, "which is no folder" in error.msg) == ("capture_app.E003", True)


def test_e005_says_which_route_has_an_unknown_key(capture: Callable[..., None]) -> None:
    capture(ROUTES={"shop": {"PROVIDER": "offline", "MODLE": "small-1"}})

    [error] = found()

    assert (error.id, "'shop'" in error.msg) == ("capture_app.E005", True)


def test_e005_says_that_the_default_provider_is_no_name(capture: Callable[..., None]) -> None:
    capture(DEFAULT_PROVIDER=[])

    [error] = found()

    assert error.id == "capture_app.E005"


def test_e010_says_that_the_stream_has_no_redis(capture: Callable[..., None]) -> None:
    capture(INBOX="capture_app.inbox.redis_stream.RedisStreamInbox")

    [error] = found()

    assert (error.id, "REDIS_URL" in error.msg) == ("capture_app.E010", True)


@pytest.mark.parametrize(
    "budgets",
    [
        {"shop": {"DAY": -1}},
        {"shop": {"DAY": True}},
        {"shop": {"DAY": "2"}},
        {"shop": {"DAY": float("inf")}},
        {"shop": {"WEEK": 2}},
        {"shop": {}},
        {"shop": 2},
        {"": {"DAY": 2}},
        {"sh*p": {"DAY": 2}},
        {7: {"DAY": 2}},
        [],
    ],
)
def test_e012_wants_amounts_for_days_and_months(capture: Callable[..., None], budgets: Any) -> None:
    capture(BUDGETS=budgets)

    assert [error.id for error in found()] == ["capture_app.E012"]


def test_budgets_that_are_right_pass(capture: Callable[..., None]) -> None:
    capture(BUDGETS={"shop": {"DAY": 2, "MONTH": 40.5}, "shop_*": {"DAY": 0}, "*": {"MONTH": 500}}, BUDGET_MAIL=False)

    assert found() == []
