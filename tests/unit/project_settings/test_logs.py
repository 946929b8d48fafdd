"""What a line of the log holds."""

import json
import logging
import sys
from datetime import UTC, datetime, timedelta
from logging.config import DictConfigurator
from typing import Any

import pytest

from project_settings.logs import logging_config


def line(style: str, message: str = "Kept.", level: int = logging.INFO, **fields: Any) -> str:
    """What a record logged with these `extra` fields, or `exc_info`, becomes."""
    config = logging_config(style=style, level="INFO")
    formatter: logging.Formatter = DictConfigurator(config).configure_formatter(config["formatters"]["chosen"])
    exc_info = fields.pop("exc_info", None)
    record = logging.getLogger("capture_app").makeRecord(
        "capture_app", level, __file__, 1, message, (), exc_info, extra=fields
    )
    return formatter.format(record)


def test_a_json_line_has_its_time_in_utc_its_level_and_its_logger() -> None:
    found = json.loads(line("json", "Capture works again.", logging.WARNING))

    assert (found["event"], found["level"], found["logger"]) == ("Capture works again.", "warning", "capture_app")
    said = datetime.fromisoformat(found["timestamp"])
    assert said.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - said) < timedelta(minutes=1)


@pytest.mark.parametrize("style", ["json", "console"])
def test_what_is_given_as_extra_is_a_field(style: str) -> None:
    found = line(style, example_id="0198-77")

    assert (json.loads(found)["example_id"] if style == "json" else found).count("0198-77") == 1


def test_a_message_of_several_lines_stays_one_line() -> None:
    assert "\n" not in line("json", "First.\nSecond.", answer="a\nb")


@pytest.mark.parametrize("value", [object(), {"n": object()}, "half a pair \ud800", b"\xff"])
def test_no_value_keeps_a_line_from_being_written(value: object) -> None:
    assert json.loads(line("json", value=value))["event"] == "Kept."


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_traceback_is_there_without_local_variables(style: str) -> None:
    secret = "sk-" + "1" * 20
    try:
        raise OSError(len(secret))
    except OSError:
        found = line(style, exc_info=sys.exc_info())

    assert "OSError: 23" in found
    assert "sk-" + "1" * 20 not in found
