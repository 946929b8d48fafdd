"""What the tests of the model share."""

from collections.abc import Iterator

import pytest

from tests.unit.training_archive.model.installation import Installations, installations


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installations]:
    """New installations; one worker does the verbs of all."""
    with installations(tmp_path_factory.mktemp("model")) as made:
        yield made
