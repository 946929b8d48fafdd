"""The only reader of the process environment. Every variable that Gleaner understands stands here."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from environ import Env

BASE_DIR = Path(__file__).resolve().parent.parent

_env = Env()


def debug() -> bool:
    """`DEBUG`: Django's debug pages and static files; off unless asked for."""
    return bool(_env.bool("DEBUG", default=False))


def secret_key() -> str:
    """`SECRET_KEY`; without one, a random key for this process: logins end with it, nothing is shared or guessable."""
    return str(_env.str("SECRET_KEY", default="")) or get_random_secret_key()


def allowed_hosts() -> list[str]:
    """`ALLOWED_HOSTS`, comma-separated; loopback only unless told otherwise."""
    return list(_env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]))


def database() -> dict[str, Any]:
    """Django's own database: `DATABASE_URL` wins, else `DATABASE_TYPE=sqlite|postgres`, else an SQLite file."""
    if _env.str("DATABASE_URL", default=""):
        return _database_from_url(_env.db("DATABASE_URL"))
    kind = _env.str("DATABASE_TYPE", default="sqlite")
    if kind == "sqlite":
        return _database_from_url(Env.db_url_config(f"sqlite:///{BASE_DIR / 'db.sqlite3'}"))
    if kind == "postgres":
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": _env.str("POSTGRES_DB", default="gleaner"),
            "USER": _env.str("POSTGRES_USER", default="gleaner"),
            "PASSWORD": _env.str("POSTGRES_PASSWORD", default=""),
            "HOST": _env.str("POSTGRES_HOST", default="localhost"),
            "PORT": _env.str("POSTGRES_PORT", default="5432"),
        }
    raise ImproperlyConfigured(f"DATABASE_TYPE is {kind!r}; use 'sqlite' or 'postgres', or set DATABASE_URL instead.")


def _database_from_url(config: dict[str, Any]) -> dict[str, Any]:
    if config["ENGINE"] != "django.db.backends.sqlite3":
        return config
    # Readers and the drain's writer share the file: WAL lets them, and IMMEDIATE waits for its turn instead of failing.
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    return {**config, "OPTIONS": {**options, **config.get("OPTIONS", {})}}


def training_data_dir() -> Path:
    """`TRAINING_DATA_DIR`: the live database, its lock, spool, sealed files, quarantine and ZIP; default `backups/`."""
    return (BASE_DIR / str(_env.str("TRAINING_DATA_DIR", default="backups"))).resolve()


def redis_url() -> str:
    """`REDIS_URL`: Celery's broker; without one, a folder in the data directory is the broker."""
    return str(_env.str("REDIS_URL", default=""))


def openai_options() -> dict[str, str]:
    """`OPENAI_BASE_URL` and `OPENAI_API_KEY`, those that are set. Empty: no provider is configured."""
    found = {
        "base_url": _env.str("OPENAI_BASE_URL", default=""),
        "api_key": _env.str("OPENAI_API_KEY", default=""),
    }
    return {name: value for name, value in found.items() if value}


def llm_model() -> str:
    """`LLM_MODEL`: the model for calls that name none and match no route."""
    return str(_env.str("LLM_MODEL", default=""))
