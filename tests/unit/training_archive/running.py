"""Running commands that fail."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command


def failure(*arguments: str | Path) -> CommandError:
    with pytest.raises(CommandError) as failed:
        call_command(*map(str, arguments))
    return failed.value
