"""What the process environment decides."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from project_settings import env

VARIABLES = (
    "ADMINS",
    "ALLOWED_HOSTS",
    "BIND",
    "DATABASE_TYPE",
    "DATABASE_URL",
    "DEBUG",
    "EMAIL_URL",
    "INBOX_REDIS_URL",
    "LLM_MODEL",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "PORT",
    "REDIS_URL",
    "SECRET_KEY",
    "SERVER_EMAIL",
    "SHIP_BUCKET",
    "COLD_AFTER_DAYS",
    "COLD_BUCKET",
    "COLD_FOLDER",
    "COLD_PREFIX",
    "SHIP_FOLDER",
    "TRAINING_DATA_DIR",
    "WEB_CONCURRENCY",
)

Environment = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """None of Gleaner's variables is set. Call it to set some."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def configure(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return configure


# --- Django's database -----------------------------------------------------------------------------------------------


def test_by_default_the_database_is_an_sqlite_file_of_the_project() -> None:
    found = env.database()

    assert found["ENGINE"] == "django.db.backends.sqlite3"
    assert found["NAME"] == str(env.BASE_DIR / "db.sqlite3")


def test_database_type_sqlite_is_the_default(environment: Environment) -> None:
    expected = env.database()
    environment(DATABASE_TYPE="sqlite")

    assert env.database() == expected


def test_database_type_postgres_is_described_by_its_own_variables(environment: Environment) -> None:
    environment(DATABASE_TYPE="postgres", POSTGRES_DB="examples", POSTGRES_HOST="db", POSTGRES_PASSWORD="p#/?")

    found = env.database()

    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["NAME"], found["HOST"], found["PORT"]) == ("examples", "db", "5432")
    assert (found["USER"], found["PASSWORD"]) == ("gleaner", "p#/?")


def test_another_database_type_is_refused_and_the_right_ones_named(environment: Environment) -> None:
    environment(DATABASE_TYPE="mysql")

    with pytest.raises(ImproperlyConfigured, match="'mysql'; use 'sqlite' or 'postgres', or set DATABASE_URL"):
        env.database()


def test_database_url_wins_over_database_type(environment: Environment) -> None:
    environment(DATABASE_TYPE="sqlite", DATABASE_URL="postgres://reader:secret@db:6543/examples")

    found = env.database()

    assert found["ENGINE"] == "django.db.backends.postgresql"
    assert (found["USER"], found["PASSWORD"]) == ("reader", "secret")
    assert (found["HOST"], found["PORT"], found["NAME"]) == ("db", 6543, "examples")


def test_an_empty_database_url_counts_as_none(environment: Environment) -> None:
    environment(DATABASE_URL="", DATABASE_TYPE="postgres")

    assert env.database()["ENGINE"] == "django.db.backends.postgresql"


@pytest.mark.parametrize("variables", [{}, {"DATABASE_URL": "sqlite:////data/gleaner.sqlite3"}])
def test_writers_of_an_sqlite_file_wait_for_each_other(environment: Environment, variables: dict[str, str]) -> None:
    environment(**variables)

    options = env.database()["OPTIONS"]

    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] > 0
    assert options["init_command"] == "PRAGMA journal_mode=WAL"


def test_the_options_of_an_sqlite_url_are_kept(environment: Environment) -> None:
    environment(DATABASE_URL="sqlite:////data/gleaner.sqlite3?timeout=5")

    assert env.database()["OPTIONS"]["timeout"] == 5


# --- Folders ---------------------------------------------------------------------------------------------------------


def test_by_default_captured_data_goes_to_backups_in_the_project() -> None:
    assert env.training_data_dir() == env.BASE_DIR / "backups"


def test_training_data_dir_is_taken_as_it_is(environment: Environment, tmp_path: Path) -> None:
    environment(TRAINING_DATA_DIR=str(tmp_path))

    assert env.training_data_dir() == tmp_path


def test_a_relative_training_data_dir_is_below_the_project(environment: Environment) -> None:
    environment(TRAINING_DATA_DIR="var/../captured")

    assert env.training_data_dir() == env.BASE_DIR / "captured"


def test_a_relative_ship_folder_is_below_the_project(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment(SHIP_FOLDER="var/../copy")

    assert env.ship_folder() == str(env.BASE_DIR / "copy")


def test_without_a_place_nothing_is_shipped() -> None:
    assert (env.ship_folder(), env.ship_bucket()) == ("", "")


def test_a_ship_folder_beside_a_ship_bucket_is_refused(environment: Environment, tmp_path: Path) -> None:
    environment(SHIP_FOLDER=str(tmp_path), SHIP_BUCKET="a-bucket")

    with pytest.raises(ImproperlyConfigured, match="unset one of them"):
        env.ship_bucket()


def test_old_chunks_move_to_a_folder_below_the_project_or_to_a_bucket(environment: Environment, tmp_path: Path) -> None:
    assert (env.cold_folder(), env.cold_bucket(), env.cold_prefix()) == ("", "", "")
    environment(COLD_FOLDER="cold")
    assert env.cold_folder() == str(env.BASE_DIR / "cold")

    environment(COLD_BUCKET="a-bucket")
    with pytest.raises(ImproperlyConfigured, match="unset one of them"):
        env.cold_bucket()


# --- Everything else -------------------------------------------------------------------------------------------------


def test_debug_is_off_unless_asked_for(environment: Environment) -> None:
    assert env.debug() is False
    environment(DEBUG="true")
    assert env.debug() is True


def test_only_loopback_is_an_allowed_host_unless_told_otherwise(environment: Environment) -> None:
    assert env.allowed_hosts() == ["localhost", "127.0.0.1", "[::1]"]
    environment(ALLOWED_HOSTS="gleaner.example,www.gleaner.example")
    assert env.allowed_hosts() == ["gleaner.example", "www.gleaner.example"]


def test_without_a_secret_key_each_process_makes_its_own(environment: Environment, tmp_path: Path) -> None:
    environment(TRAINING_DATA_DIR=str(tmp_path))

    assert len(env.secret_key()) >= 50
    assert env.secret_key() != env.secret_key()
    assert not env.secret_key_lasts()


def test_a_secret_key_that_serve_wrote_is_shared(environment: Environment, tmp_path: Path) -> None:
    environment(TRAINING_DATA_DIR=str(tmp_path))
    env.secret_key_file().write_text("written\n")

    assert env.secret_key() == "written"
    assert env.secret_key_lasts()


def test_a_secret_key_in_the_environment_wins(environment: Environment, tmp_path: Path) -> None:
    environment(TRAINING_DATA_DIR=str(tmp_path), SECRET_KEY="chosen")
    env.secret_key_file().write_text("written\n")

    assert env.secret_key() == "chosen"


def test_the_web_server_listens_on_loopback_unless_told_otherwise(environment: Environment) -> None:
    assert (env.address(), env.listen(), env.web_concurrency()) == (("127.0.0.1", 8000), "127.0.0.1:8000", 4)
    environment(BIND="::", PORT="8080", WEB_CONCURRENCY="2")
    assert (env.address(), env.listen(), env.web_concurrency()) == (("::", 8080), "[::]:8080", 2)


@pytest.mark.parametrize(("terminal", "style"), [(True, "console"), (False, "json")])
def test_logs_are_json_unless_somebody_looks_on(monkeypatch: pytest.MonkeyPatch, terminal: bool, style: str) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)

    assert env.log_format() == style


def test_the_format_and_level_of_the_log_can_be_chosen(environment: Environment) -> None:
    environment(LOG_FORMAT="console", LOG_LEVEL="debug")

    assert (env.log_format(), env.log_level()) == ("console", "DEBUG")


@pytest.mark.parametrize(
    ("name", "reader", "hint"),
    [("LOG_FORMAT", env.log_format, "'json' or 'console'"), ("LOG_LEVEL", env.log_level, "INFO")],
)
def test_another_format_or_level_of_the_log_is_refused_and_the_right_ones_named(
    environment: Environment, name: str, reader: Callable[[], str], hint: str
) -> None:
    environment(**{name: "loud"})

    with pytest.raises(ImproperlyConfigured, match=hint):
        reader()


def test_nobody_is_told_unless_addresses_are_given(environment: Environment) -> None:
    assert (env.admins(), env.sender()) == ([], "root@localhost")
    environment(ADMINS="a@example.org,b@example.org", SERVER_EMAIL="gleaner@example.org")
    assert env.admins() == [("a@example.org", "a@example.org"), ("b@example.org", "b@example.org")]
    assert env.sender() == "gleaner@example.org"


def test_mail_leaves_by_the_server_of_the_url(environment: Environment) -> None:
    assert (env.email()["EMAIL_HOST"], env.email()["EMAIL_PORT"]) == ("localhost", 25)
    environment(EMAIL_URL="smtp+tls://user:secret@mail.example.org:587")
    assert (env.email()["EMAIL_HOST"], env.email()["EMAIL_USE_TLS"]) == ("mail.example.org", True)
    assert env.email()["EMAIL_HOST_PASSWORD"] == "secret"


def test_a_child_inherits_the_environment_and_gets_more(environment: Environment) -> None:
    environment(LLM_MODEL="small")

    assert env.of_a_child(PORT="1") == {**os.environ, "PORT": "1"}


def test_only_the_openai_variables_that_are_set_count(environment: Environment) -> None:
    assert env.openai_options() == {}
    environment(OPENAI_BASE_URL="http://127.0.0.1:8080/v1", OPENAI_API_KEY="")
    assert env.openai_options() == {"base_url": "http://127.0.0.1:8080/v1"}


def test_redis_and_the_model_are_unset_by_default(environment: Environment) -> None:
    assert (env.redis_url(), env.inbox_redis_url(), env.llm_model()) == ("", "", "")
    environment(REDIS_URL="redis://127.0.0.1:6379/0", INBOX_REDIS_URL="redis://127.0.0.1:6379/1", LLM_MODEL="small")
    assert (env.redis_url(), env.inbox_redis_url()) == ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/1")
    assert env.llm_model() == "small"


# --- The settings made of them ---------------------------------------------------------------------------------------

SHOW_SETTINGS = """
import json
from project_settings import settings
capture = settings.TRAINING_CAPTURE
print(json.dumps({
    "provider": capture["DEFAULT_PROVIDER"],
    "options": capture["PROVIDERS"]["openai"]["OPTIONS"],
    "data_dir": str(capture["DATA_DIR"]),
    "inbox": [capture.get("INBOX"), capture.get("REDIS_URL")],
    "broker": settings.CELERY_BROKER_URL,
    "broker_options": settings.CELERY_BROKER_TRANSPORT_OPTIONS,
}))
"""


def settings_with(**variables: str) -> dict[str, Any]:
    process = subprocess.run(
        [sys.executable, "-c", SHOW_SETTINGS],
        env={**os.environ, **variables},
        cwd=env.BASE_DIR,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(process.stdout)
    return found


def test_without_any_variable_everything_is_local_and_offline(tmp_path: Path) -> None:
    found = settings_with(TRAINING_DATA_DIR=str(tmp_path))

    assert found["provider"] == "offline"
    assert found["data_dir"] == str(tmp_path)
    assert found["broker"] == "filesystem://localhost"
    assert found["inbox"] == [None, None]
    assert {Path(folder).parent for folder in found["broker_options"].values()} == {tmp_path / "celery"}


def test_a_key_makes_openai_the_provider() -> None:
    found = settings_with(OPENAI_API_KEY="only-a-test")

    assert found["provider"] == "openai"
    assert found["options"] == {"api_key": "only-a-test"}


def test_a_local_server_needs_no_key() -> None:
    found = settings_with(OPENAI_BASE_URL="http://127.0.0.1:8080/v1")

    assert found["provider"] == "openai"
    assert found["options"] == {"api_key": "no-key-set", "base_url": "http://127.0.0.1:8080/v1"}


def test_redis_url_makes_redis_the_broker() -> None:
    found = settings_with(REDIS_URL="redis://127.0.0.1:6379/0")

    assert (found["broker"], found["broker_options"]) == ("redis://127.0.0.1:6379/0", {})


def test_inbox_redis_url_makes_a_redis_stream_the_inbox_and_leaves_the_broker() -> None:
    found = settings_with(INBOX_REDIS_URL="redis://127.0.0.1:6379/1")

    assert found["inbox"] == ["capture_app.inbox.redis_stream.RedisStreamInbox", "redis://127.0.0.1:6379/1"]
    assert found["broker"] == "filesystem://localhost"
