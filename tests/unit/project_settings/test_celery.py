"""The Celery application of the stand-alone project."""

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from training_archive.schedule import BEAT_SCHEDULE


@pytest.fixture
def app(settings: Any, tmp_path: Path) -> Celery:
    """The project's Celery application. Importing it makes the broker's folders, so they must be this test's own."""
    settings.CELERY_FOLDER = tmp_path / "celery"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"data_folder_in": str(tmp_path / "celery" / "queue")}
    return import_module("project_settings.celery").app


def test_the_schedule_is_in_the_database_alone(app: Celery) -> None:
    assert app.conf.beat_scheduler == "training_archive.beat:CatchUpScheduler"
    assert app.conf.beat_schedule == {}  # beat would write it over an administrator's changes at each start


def test_every_scheduled_task_exists(app: Celery) -> None:
    app.loader.import_default_modules()

    assert {entry["task"] for entry in BEAT_SCHEDULE.values()} <= set(app.tasks)


def test_celery_leaves_the_handlers_of_the_root_logger_to_django(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    configured: list[dict[str, Any]] = []
    monkeypatch.setattr("project_settings.celery.dictConfig", configured.append)
    before = list(logging.getLogger().handlers)

    app.log.setup_logging_subsystem()

    assert [config["root"] for config in configured] == [{"handlers": ["stderr"], "level": "INFO"}]
    assert logging.getLogger().handlers == before
