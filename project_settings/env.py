"""The only reader of the process environment. Every variable that Gleaner understands stands here."""

import os
import sys
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
    """`SECRET_KEY`; else what `make serve` wrote to `secret_key` in the data directory; else a random key.

    The random one lasts as long as the process: logins end with it, and nothing is shared or guessable.
    """
    given = str(_env.str("SECRET_KEY", default=""))
    if given:
        return given
    try:
        return secret_key_file().read_text().strip() or get_random_secret_key()
    except FileNotFoundError:
        return get_random_secret_key()


def secret_key_lasts() -> bool:
    """Whether every process has the same key, so that a login with one of them is good for all."""
    return bool(_env.str("SECRET_KEY", default="")) or secret_key_file().exists()


def secret_key_file() -> Path:
    """Where a key is kept that all processes of this machine share when the environment gives none."""
    return training_data_dir() / "secret_key"


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
    if "ENGINE" not in config:
        raise ImproperlyConfigured("DATABASE_URL is no URL of a database; write postgres://USER:PASSWORD@HOST/NAME.")
    if config["ENGINE"] != "django.db.backends.sqlite3":
        return config
    # Readers and the drain's writer share the file: WAL lets them, and IMMEDIATE waits for its turn instead of failing.
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    return {**config, "OPTIONS": {**options, **config.get("OPTIONS", {})}}


def training_data_dir() -> Path:
    """`TRAINING_DATA_DIR`: the live database, its lock, spool, sealed files, quarantine and ZIP; default `backups/`."""
    return (BASE_DIR / str(_env.str("TRAINING_DATA_DIR", default="backups"))).resolve()


def ship_folder() -> str:
    """`SHIP_FOLDER`: a folder, on another disk or mounted from elsewhere, that gets a copy of the archive."""
    given = str(_env.str("SHIP_FOLDER", default=""))
    return str((BASE_DIR / given).resolve()) if given else ""


def ship_bucket() -> str:
    """`SHIP_BUCKET`: an S3 bucket that does. boto3 takes keys, region and endpoint from its AWS_ variables."""
    given = str(_env.str("SHIP_BUCKET", default=""))
    if given and ship_folder():
        raise ImproperlyConfigured(
            "SHIP_FOLDER and SHIP_BUCKET are both set, and there is one copy; unset one of them."
        )
    return given


def ship_prefix() -> str:
    """`SHIP_PREFIX`: the folder in either."""
    return str(_env.str("SHIP_PREFIX", default=""))


def cold_folder() -> str:
    """`COLD_FOLDER`: a folder, on a slow disk say, that the archive's old chunks move to."""
    given = str(_env.str("COLD_FOLDER", default=""))
    return str((BASE_DIR / given).resolve()) if given else ""


def cold_bucket() -> str:
    """`COLD_BUCKET`: an S3 bucket that they move to. See ship_bucket."""
    given = str(_env.str("COLD_BUCKET", default=""))
    if given and cold_folder():
        raise ImproperlyConfigured(
            "COLD_FOLDER and COLD_BUCKET are both set, and old chunks move to one place; unset one of them."
        )
    return given


def cold_prefix() -> str:
    """`COLD_PREFIX`: the folder in either."""
    return str(_env.str("COLD_PREFIX", default=""))


def archive_limits() -> dict[str, int]:
    """`ROLL_BYTES` and `ROLL_DAYS`, at which a ZIP is rolled over, and `COLD_AFTER_DAYS`: those that are set."""
    names = ("ROLL_BYTES", "ROLL_DAYS", "COLD_AFTER_DAYS")
    return {name: int(_env.int(name)) for name in names if _env.str(name, default="")}


def redis_url() -> str:
    """`REDIS_URL`: Celery's broker; without one, a folder in the data directory is the broker."""
    return str(_env.str("REDIS_URL", default=""))


def inbox_redis_url() -> str:
    """`INBOX_REDIS_URL`: the inbox is a stream in this Redis, for several web hosts; without one, it is the spool.

    Not REDIS_URL: the inbox must be kept as data is, with persistence; a broker may be lost.
    """
    return str(_env.str("INBOX_REDIS_URL", default=""))


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


def admins() -> list[tuple[str, str]]:
    """`ADMINS`: addresses, comma-separated, that are told when examples do not get on; nobody unless told otherwise."""
    return [(address, address) for address in _env.list("ADMINS", default=[])]


def sender() -> str:
    """`SERVER_EMAIL`: the address that those mails come from; default `root@localhost`."""
    return str(_env.str("SERVER_EMAIL", default="")) or "root@localhost"


def email() -> dict[str, Any]:
    """`EMAIL_URL`: how mail leaves, as Django's EMAIL_ settings; default `smtp://localhost:25`."""
    return dict(_env.email_url("EMAIL_URL", default="smtp://localhost:25"))


def log_format() -> str:
    """`LOG_FORMAT=json|console`; by default `console` where somebody looks on, at a terminal, and `json` elsewhere."""
    found = str(_env.str("LOG_FORMAT", default="")) or ("console" if sys.stderr.isatty() else "json")
    if found not in ("json", "console"):
        raise ImproperlyConfigured(f"LOG_FORMAT is {found!r}; use 'json' or 'console', or leave it unset.")
    return found


def log_level() -> str:
    """`LOG_LEVEL`: `DEBUG`, `INFO` (the default), `WARNING`, `ERROR` or `CRITICAL`."""
    found = str(_env.str("LOG_LEVEL", default="")).upper() or "INFO"
    if found not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ImproperlyConfigured(f"LOG_LEVEL is {found!r}; use DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    return found


def address() -> tuple[str, int]:
    """`BIND` and `PORT`: where the web server listens; 127.0.0.1, port 8000, unless told otherwise."""
    port = str(_env.str("PORT", default="")) or "8000"
    if not (port.isdecimal() and int(port) < 2**16):  # 0: any that is free
        raise ImproperlyConfigured(f"PORT is {port!r}; use a number up to 65535.")
    return str(_env.str("BIND", default="")) or "127.0.0.1", int(port)


def listen() -> str:
    """That address in one piece, as a URL has it."""
    host, port = address()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def web_concurrency() -> int:
    """`WEB_CONCURRENCY`: the web server's processes, each of four threads."""
    return int(_env.int("WEB_CONCURRENCY", default=4))


def of_a_child(**variables: str) -> dict[str, str]:
    """The environment for a process that this one starts: its own, and `variables`."""
    return {**os.environ, **variables}
