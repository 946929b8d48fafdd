"""What runs by `make serve` runs by systemd too, and every variable is documented."""

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

from project_settings import env, serve

UNITS = env.BASE_DIR / "deploy" / "systemd"


def arguments(command: str) -> str:
    """What comes after `python -m`."""
    return command.partition(" -m ")[2]


@pytest.mark.parametrize("program", ["web", "worker", "trainer", "beat"])
def test_systemd_and_supervisord_run_the_same_commands(program: str) -> None:
    unit, supervised = RawConfigParser(strict=False), RawConfigParser()
    unit.read(UNITS / f"gleaner-{program}.service")
    supervised.read(serve.CONFIGURATION)

    assert arguments(unit["Service"]["ExecStart"]) == arguments(supervised[f"program:{program}"]["command"])


@pytest.mark.parametrize("program", ["web", "worker", "trainer", "beat"])
def test_every_service_that_is_enabled_starts_and_stops_with_the_target(program: str) -> None:
    unit = (UNITS / f"gleaner-{program}.service").read_text()

    assert "\nPartOf=gleaner.target\n" in unit
    assert "\nWantedBy=gleaner.target\n" in unit


def test_every_metric_that_the_documents_alert_on_exists() -> None:
    names = set(re.findall(r"gleaner_[a-z_]+", (env.BASE_DIR / "docs" / "operations.md").read_text()))
    sources = "".join((env.BASE_DIR / "capture_app" / name).read_text() for name in ("exposition.py", "gauges.py"))

    assert names
    assert [name for name in names if f'"{name.removesuffix("_total")}"' not in sources] == []


def test_every_variable_is_in_the_readme() -> None:
    known = set(re.findall(r'_env\.\w+\(\s*"([A-Z_]+)"', Path(env.__file__).read_text()))
    documented = set(re.findall(r"`([A-Z_]+)`", (env.BASE_DIR / "README.md").read_text()))

    assert known
    assert known - documented == set()
    assert set(re.findall(r"^([A-Z_]+)=", (UNITS / "gleaner.env").read_text(), re.MULTILINE)) <= known


def test_a_web_server_whose_processes_share_no_key_does_not_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.setenv("TRAINING_DATA_DIR", str(tmp_path))

    with pytest.raises(SystemExit, match="Set SECRET_KEY"):
        exec((env.BASE_DIR / "project_settings" / "gunicorn_conf.py").read_text())
