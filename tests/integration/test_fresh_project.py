"""Gleaner installed as a package into a project that was made a minute ago, as the README says it."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.conftest import ROOT, clean_environment
from tests.integration.servers import running, wait_until

REQUIRED = ("capture_app", "training_archive")
PACKAGES = (*REQUIRED, "training_files", "continuous_training", "console")

# As the chapter "First steps with Django" of Celery's documentation has it.
CELERY_APP = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
CELERY_IN_INIT = """
from .celery import app as celery_app

__all__ = ("celery_app",)
"""

# What this project's owner has beside the README's fragment: a broker, and a drain that a test can wait for.
OWN_SETTINGS = """
CELERY_BROKER_URL = "filesystem://localhost"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "data_folder_in": str(BASE_DIR / "queue"),
    "data_folder_out": str(BASE_DIR / "queue"),
    "control_folder": str(BASE_DIR / "queue"),
}
CELERY_BEAT_SCHEDULE["drain-captures"] = {**BEAT_SCHEDULE["drain-captures"], "schedule": 1.0}
TRAINING_CAPTURE["DEFAULT_PROVIDER"] = "offline"
"""

VIEW = """
from django.http import JsonResponse


def price(request):
{body}
    return JsonResponse({{"example_id": response.example_id}})
"""

URLS = """
from django.urls import include, path

from shop import views

urlpatterns = [path("price/", views.price), path("", include("capture_app.urls"))]
"""

VISIT = """
import django
django.setup()
from django.test import Client
import capture_app
client = Client(SERVER_NAME="localhost", raise_request_exception=True)
print(*[client.get("/price/").json()["example_id"] for _ in range(3)])
print(client.get("/healthz").status_code)
print(capture_app.__file__)
"""

ARCHIVE = """
from shop.celery import app
app.send_task("training_archive.archive_training_data")
"""

READ = """
import django
django.setup()
from capture_app.models import ExampleIndex
from training_archive.reader import iter_examples
print(*sorted(example["id"] for example in iter_examples(task="productpage_extractor")))
print(*sorted(ExampleIndex.objects.values_list("id", flat=True)))
"""


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but what `pip install` makes of this repository. Its dependencies are in .venv."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "gleaner"
    for path in repository_files():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)  # a build writes into its source
    offline = ["--disable-pip-version-check", "--quiet", "--no-index", "--no-deps"]
    pip("wheel", *offline, "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    [wheel] = folder.glob("*.whl")
    pip("install", *offline, "--target", str(folder / "site"), str(wheel))
    return folder / "site"


def repository_files() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in listed if (ROOT / path).is_file()]


def pip(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def readme_block(first_line: str) -> str:
    """The Python of the README that begins so."""
    blocks = re.findall(r"^ *```python\n(.*?)^ *```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    [found] = [block for block in map(textwrap.dedent, blocks) if block.startswith(first_line)]
    return found


@dataclass(frozen=True, slots=True)
class FreshProject:
    """A project `shop` in a folder of its own."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Run `python ARGUMENTS` in the project's folder; what it prints."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(params=["sqlite", "postgres"])
def project(request: pytest.FixtureRequest, site_packages: Path, tmp_path: Path) -> FreshProject:
    """`django-admin startproject shop`, the README's settings, and a Celery app, on either database."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    environment = {**clean_environment(), "PYTHONPATH": str(site_packages), "DJANGO_SETTINGS_MODULE": "shop.settings"}
    found = FreshProject(folder, environment)
    found.run("-m", "django", "startproject", "shop", ".", "--settings", "")
    settings = readme_block("# settings.py") + OWN_SETTINGS
    if request.param == "postgres":
        settings += database_setting(request.getfixturevalue("postgres_url"))
    with (folder / "shop" / "settings.py").open("a") as file:
        file.write(settings)
    files = {
        "celery.py": CELERY_APP,
        "__init__.py": CELERY_IN_INIT,
        "urls.py": URLS,
        "views.py": VIEW.format(body=textwrap.indent(readme_block("# views.py"), "    ")),
    }
    for name, content in files.items():
        (folder / "shop" / name).write_text(content)
    (folder / "queue").mkdir()
    return found


def database_setting(url: str) -> str:
    parts = urlsplit(url)
    values = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/"),
        "USER": parts.username,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
    return f"\nDATABASES = {{'default': {values!r}}}\n"


@pytest.fixture
def celery_log(project: FreshProject) -> Iterator[Path]:
    """The project's own worker and beat, running once the test has migrated; what they log."""
    project.run("manage.py", "migrate", "--verbosity", "0")
    log = project.folder / "celery.log"
    command = [sys.executable, "-m", "celery", "--app", "shop", "worker", "--beat", "--concurrency", "1"]
    with (
        log.open("wb") as output,
        running(command, cwd=project.folder, env=project.environment, stdout=output, stderr=output),
    ):
        yield log


def test_a_fresh_project_captures_drains_and_archives(
    project: FreshProject, celery_log: Path, site_packages: Path
) -> None:
    assert "no issues" in project.run("manage.py", "check")
    assert project.run("manage.py", "makemigrations", "--check", "--dry-run", *REQUIRED).startswith("No changes")

    ids, health, installed = project.run("-c", VISIT).splitlines()
    assert (health, Path(installed).parent.parent) == ("200", site_packages)

    def status() -> dict[str, int]:
        found: dict[str, int] = json.loads(project.run("manage.py", "archive_status", "--json"))
        return found

    wait_until(lambda: status()["live_rows"] == 3, celery_log)  # its beat sent the drain, its worker did it
    project.run("-c", ARCHIVE)
    wait_until((project.folder / "backups" / "llm_training_dataset.zip").exists, celery_log)

    archived, indexed = project.run("-c", READ).splitlines()
    assert archived == indexed == " ".join(sorted(ids.split()))
    project.run("manage.py", "verify_archive")


def test_the_package_holds_every_file_of_the_apps_and_nothing_else(site_packages: Path) -> None:
    files = {
        str(path.relative_to(site_packages))
        for path in site_packages.rglob("*")
        if path.is_file() and path.suffix != ".pyc" and ".dist-info" not in str(path)
    }

    assert files == {path for path in repository_files() if path.startswith(tuple(f"{name}/" for name in PACKAGES))}


def test_the_package_needs_what_requirements_apps_names(site_packages: Path) -> None:
    [metadata] = site_packages.glob("gleaner-*.dist-info/METADATA")
    needed = re.findall(r"^Requires-Dist: ([\w-]+)[^;\n]*$", metadata.read_text(), re.MULTILINE)
    lines = (ROOT / "requirements-apps.in").read_text().splitlines()

    assert needed == [re.split(r"[^\w-]", line)[0] for line in lines if line and not line.startswith("#")]
