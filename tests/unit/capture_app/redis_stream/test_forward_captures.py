"""The command forward_captures says what it did, and why it could not."""

from io import StringIO
from pathlib import Path

import orjson
import pytest
from django.core.management import CommandError, call_command
from filelock import FileLock

from capture_app.inbox.redis_stream import RedisStreamInbox
from tests.faults.redis_server import RedisServer
from tests.unit.capture_app.captured import example, spool
from tests.unit.capture_app.redis_stream.entries import KEY


def output(*arguments: str) -> str:
    out = StringIO()
    call_command("forward_captures", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def kept_here(inbox: RedisStreamInbox, server: RedisServer) -> None:
    """Two records in this host's spool; Redis is back."""
    server.kill()
    spool(example(), example())
    server.start()


@pytest.mark.django_db
def test_the_command_says_what_it_forwarded(kept_here: None, server: RedisServer) -> None:
    assert output().startswith("Forwarded 2 records in ")
    assert server.client.xlen(KEY) == 2


@pytest.mark.django_db
def test_the_command_says_when_there_was_nothing(inbox: RedisStreamInbox) -> None:
    assert output() == "The local spool is empty: nothing to forward.\n"


@pytest.mark.django_db
def test_json_is_one_object(kept_here: None) -> None:
    result = orjson.loads(output("--json"))

    assert result.pop("seconds") >= 0
    assert result == {"records": 2, "segments": 1}


@pytest.mark.django_db
def test_the_command_fails_while_redis_is_away(kept_here: None, server: RedisServer) -> None:
    server.kill()

    with pytest.raises(CommandError, match="Redis could not take the records") as error:
        output()
    assert error.value.returncode == 1


@pytest.mark.django_db
def test_the_command_says_that_another_is_at_work(kept_here: None, data_dir: Path) -> None:
    with (
        FileLock(data_dir / "spool" / ".forward.lock"),
        pytest.raises(CommandError, match="Another process is forwarding") as error,
    ):
        output()
    assert error.value.returncode == 75


@pytest.mark.django_db
def test_a_host_that_only_spools_has_nothing_to_forward_to() -> None:
    with pytest.raises(CommandError, match="SpoolInbox forwards nothing") as error:
        output()
    assert error.value.returncode == 1
