"""Settings of the stand-alone project. What comes from the environment is read in env.py, and nowhere else."""

from typing import Any

from capture_app import csp
from project_settings import env, logs

BASE_DIR = env.BASE_DIR

DEBUG = env.debug()
SECRET_KEY = env.secret_key()
ALLOWED_HOSTS = env.allowed_hosts()

INSTALLED_APPS = [
    "capture_app",
    "training_archive",
    "training_files",
    "continuous_training",
    "console",  # before the admin, whose first page it fills
    "django_celery_beat",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "project_settings.apps.AdminOnDemandConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

CONTENT_SECURITY_POLICY = {"DIRECTIVES": csp.DIRECTIVES}  # nothing inline: what an example holds cannot run

ROOT_URLCONF = "project_settings.urls"
WSGI_APPLICATION = "project_settings.wsgi.application"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # style sheets come out of the installed packages; there is no collectstatic to forget

DATABASES = {"default": env.database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = "UTC"

# --- Capture -----------------------------------------------------------------------------------------------------

_openai = env.openai_options()

_inbox_redis_url = env.inbox_redis_url()

TRAINING_CAPTURE = {
    "DATA_DIR": env.training_data_dir(),
    "PROVIDERS": {
        "offline": {"BACKEND": "capture_app.providers.offline.OfflineProvider"},
        "openai": {
            "BACKEND": "capture_app.providers.openai_compatible.OpenAICompatibleProvider",
            # A local server needs no key, but the SDK insists on one.
            "OPTIONS": {"api_key": "no-key-set", **_openai},
        },
        # What was fine-tuned on this machine; nothing of it is loaded before a call asks for it.
        "local": {"BACKEND": "capture_app.providers.local_transformers.LocalTransformersProvider"},
    },
    "DEFAULT_PROVIDER": "openai" if _openai else "offline",
    "DEFAULT_MODEL": env.llm_model(),
}
if _inbox_redis_url:
    TRAINING_CAPTURE["INBOX"] = "capture_app.inbox.redis_stream.RedisStreamInbox"
    TRAINING_CAPTURE["REDIS_URL"] = _inbox_redis_url

# --- Archive -----------------------------------------------------------------------------------------------------

_ship_folder, _ship_bucket = env.ship_folder(), env.ship_bucket()

STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
TRAINING_ARCHIVE: dict[str, Any] = {**env.archive_limits()}
if _ship_folder:
    STORAGES["archive"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": _ship_folder},
    }
elif _ship_bucket:
    STORAGES["archive"] = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": _ship_bucket}}
if "archive" in STORAGES:
    TRAINING_ARCHIVE |= {"SHIP_TO": "archive", "SHIP_PREFIX": env.ship_prefix()}

_cold_folder, _cold_bucket = env.cold_folder(), env.cold_bucket()
if _cold_folder:
    STORAGES["cold"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": _cold_folder},
    }
elif _cold_bucket:
    STORAGES["cold"] = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": {"bucket_name": _cold_bucket}}
if "cold" in STORAGES:
    TRAINING_ARCHIVE |= {"COLD_STORAGE": "cold", "COLD_PREFIX": env.cold_prefix()}

# --- Celery ------------------------------------------------------------------------------------------------------

CELERY_FOLDER = env.training_data_dir() / "celery"
CELERY_BROKER_URL = env.redis_url() or "filesystem://localhost"  # a host it has no use for, or kombu asks for one
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {}
    if env.redis_url()
    else {
        # One folder is both inbox and outbox: every process of this host reads what any of them wrote.
        "data_folder_in": str(CELERY_FOLDER / "queue"),
        "data_folder_out": str(CELERY_FOLDER / "queue"),
        "processed_folder": str(CELERY_FOLDER / "processed"),
        "control_folder": str(CELERY_FOLDER / "control"),
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = None  # no results are kept, so beat need not clear them away
CELERY_TIMEZONE = "America/Chicago"
CELERY_WORKER_CONCURRENCY = 2  # drains go on while an archive run is at work
CELERY_TASK_ROUTES = {"continuous_training.advance_run": {"queue": "training"}}  # hours long: it has its own worker
# The schedule is in Django's database, where an administrator can change it; training_archive puts it there.
CELERY_BEAT_SCHEDULER = "training_archive.beat:CatchUpScheduler"

# --- Whom to tell ------------------------------------------------------------------------------------------------

ADMINS = env.admins()
SERVER_EMAIL = env.sender()
vars().update(env.email())

# --- Logs --------------------------------------------------------------------------------------------------------

LOGGING = logs.logging_config(style=env.log_format(), level=env.log_level())
