"""A tiny model for all tests here, made on the spot. Without torch they are skipped; with REQUIRE_ALL they fail."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from capture_app.conf import capture_settings
from continuous_training.training.trainers.local_lora import NEEDED
from tests.training.material import Training

_WARM_UP = 300  # steps; fewer, and it reads too little of an order


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        why = f"{', '.join(missing)} not installed: `make training`"
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent) and not os.environ.get("REQUIRE_ALL"):
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session", autouse=True)
def quiet_libraries() -> Iterator[None]:
    """Offline, and one thread: the tests share their cores, and what torch starts inherits it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HUB_OFFLINE", "1")
        environment.setenv("OMP_NUM_THREADS", "1")
        environment.setenv("TOKENIZERS_PARALLELISM", "false")
        yield


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `base`, which has read, and `blank`, which is as the dice made it; one for all workers."""
    import torch

    from continuous_training.training.tiny import make_tiny_model
    from demo.extraction_task import warm_up_chats

    torch.set_num_threads(1)
    basetemp = tmp_path_factory.getbasetemp()
    shared = basetemp.parent if "PYTEST_XDIST_WORKER" in os.environ else basetemp
    folder = shared / "tiny_models"
    with FileLock(shared / "tiny_models.lock"):
        if not folder.exists():
            chats = warm_up_chats(count=_WARM_UP * 8)
            make_tiny_model(shared / "making" / "blank", chats[:500], steps=0)
            make_tiny_model(shared / "making" / "base", chats, steps=_WARM_UP)
            (shared / "making").rename(folder)
    return folder


@pytest.fixture
def training(
    tiny_models: Path, tmp_path: Path, data_dir: Path, capture: Callable[..., None]
) -> Callable[..., Training]:
    """A run on the tiny base: `training(chats, **options)`."""
    del capture  # it sets the data directory

    def make(chats: list[dict[str, Any]], *, base: str = "base", **options: Any) -> Training:
        data_dir.mkdir(exist_ok=True)
        assert capture_settings().data_dir == data_dir
        return Training(tmp_path / "run", chats, base=str(tiny_models / base), options=options)

    return make
