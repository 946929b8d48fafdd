"""Old models go, wherever they are; one that somebody may reach never does."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from capture_app.exceptions import JobBusy
from capture_app.jobs import only_run
from capture_app.models import Route, RouteChange
from capture_app.routing.config import RouteConfig, Share, Target, WrongRoute, single
from capture_app.routing.service import roll_back, set_route
from continuous_training.conf import loop_settings
from continuous_training.exceptions import PromotionRefused
from continuous_training.housekeeping import cleaning
from continuous_training.housekeeping.cleaning import CleanupReport, cleanup_models
from continuous_training.models import ModelRemoval, TrainedModel
from continuous_training.promotion.service import approve
from continuous_training.training.trainers.base import Trained, Trainer, Waiting
from tests.unit.continuous_training.housekeeping.material import (
    NOW,
    evaluated,
    names_in,
    promoted,
    run_of,
    trained,
)

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """Ends a run as a signal would: nothing catches it."""


class RemovingTrainer(Trainer):
    """Notes what it is asked to remove; fails as often as it is told to."""

    removed: list[tuple[str, Path | None]] = []
    failures = 0

    def advance(self, job: Any, report: Any) -> Trained | Waiting:
        raise NotImplementedError

    def remove(self, model: str, folder: Path | None) -> None:
        if RemovingTrainer.failures:
            RemovingTrainer.failures -= 1
            raise ConnectionError("secret words of a service")
        self.removed.append((model, folder))


@pytest.fixture(autouse=True)
def service(settings: Any, capture: Callable[..., None]) -> type[RemovingTrainer]:
    """The service that remote models are at."""
    settings.CONTINUOUS_TRAINING = {
        "TRAINERS": {"remote": {"BACKEND": f"{__name__}.RemovingTrainer"}},
        "DEFAULT_TRAINER": "remote",
    }
    backend = "capture_app.providers.offline.OfflineProvider"
    capture(PROVIDERS={name: {"BACKEND": backend} for name in ("offline", "local", "openai")})
    RemovingTrainer.removed, RemovingTrainer.failures = [], 0
    return RemovingTrainer


def clean(days: float = 90, *, dry_run: bool = False) -> CleanupReport:
    return cleanup_models(older_than=timedelta(days=days), by="ann", dry_run=dry_run)


def target(model: TrainedModel) -> Target:
    return Target(model.provider, model.model)


def kept(report: CleanupReport) -> dict[str, str]:
    return {model.id: model.why for model in report.kept}


# --- What goes -------------------------------------------------------------------------------------------------------


def test_an_old_model_that_nobody_may_reach_goes_with_its_folder() -> None:
    trained("old")
    trained("young", days=89)

    report = clean()

    assert [(model.id, model.bytes) for model in report.removed] == [("old", 1000)]
    assert names_in(loop_settings().models_folder) == {"young"}
    assert TrainedModel.objects.get(pk="old").removed_at is not None
    removal = ModelRemoval.objects.get()
    assert (removal.pk, removal.decided_by, removal.problem) == ("old", "ann", "")
    assert removal.finished_at is not None


def test_a_model_at_a_service_is_removed_there(service: type[RemovingTrainer]) -> None:
    trained("old", trainer="remote", local=False)

    assert [model.id for model in clean().removed] == ["old"]
    assert service.removed == [("ft:old", None)]


def test_what_was_removed_is_not_removed_again(service: type[RemovingTrainer]) -> None:
    trained("old", trainer="remote", local=False)
    clean()

    assert clean().removed == []
    assert len(service.removed) == 1


def test_a_dry_run_says_what_would_go_and_changes_nothing() -> None:
    model, other = trained("old"), trained("routed")
    set_route("shop", single(target(other)), by="ann")

    report = clean(dry_run=True)

    assert [found.id for found in report.removed] == ["old"]
    assert kept(report) == {"routed": "a route leads to it"}
    assert Path(model.folder).is_dir()
    assert TrainedModel.objects.filter(removed_at=None).count() == 2
    assert ModelRemoval.objects.count() == 0


def test_an_age_beyond_the_calendar_removes_nothing() -> None:
    trained("old")

    assert clean(999_999).removed == []


# --- What stays ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["share", "no weight", "fallback", "vision", "shadow"])
def test_a_model_on_a_route_stays_whatever_its_part_there(place: str) -> None:
    found, other = target(trained("old")), Target("openai", "big")
    weight = {"share": 5.0, "no weight": 0.0}.get(place)
    shares = (Share(other, 95), *([] if weight is None else [Share(found, weight)]))
    named: dict[str, Any] = {place: found} if weight is None else {}
    set_route("shop", RouteConfig(shares=shares, **named), by="ann")

    assert kept(clean()) == {"old": "a route leads to it"}


def test_a_model_in_the_settings_stays(capture: Callable[..., None], settings: Any) -> None:
    trained("old")
    providers = settings.TRAINING_CAPTURE["PROVIDERS"]
    capture(PROVIDERS=providers, ROUTES={"shop": {"PROVIDER": "local", "MODEL": "old"}})

    assert kept(clean()) == {"old": "a route leads to it"}


def test_what_a_route_led_to_of_late_stays() -> None:
    for name in ("first", "second", "third"):
        set_route("shop", single(target(trained(name))), by="ann")

    assert set(kept(clean())) == {"first", "second", "third"}
    assert kept(clean())["first"] == "a route can be rolled back to it"


def test_what_a_route_led_to_long_ago_goes_but_for_what_one_roll_back_restores() -> None:
    for name in ("first", "second", "third"):
        set_route("shop", single(target(trained(name))), by="ann")
    RouteChange.objects.update(changed_at=NOW - timedelta(days=91))

    report = clean()

    assert [model.id for model in report.removed] == ["first"]
    assert set(kept(report)) == {"second", "third"}
    assert roll_back("shop", by="ann").after == single(Target("local", "second")).to_json()


def test_how_long_a_roll_back_stays_possible_is_a_setting(settings: Any) -> None:
    settings.CONTINUOUS_TRAINING = {**settings.CONTINUOUS_TRAINING, "KEEP_ROUTED_DAYS": 400}
    for name in ("first", "second", "third"):
        set_route("shop", single(target(trained(name))), by="ann")
    RouteChange.objects.update(changed_at=NOW - timedelta(days=399))

    assert clean().removed == []


def test_what_undoing_a_promotion_would_restore_stays() -> None:
    before, model = trained("before"), trained("promoted", days=1)
    promoted(model, "approved", route_from=single(target(before)).to_json())

    assert kept(clean()) == {"before": "a route can be rolled back to it"}


def test_a_model_whose_promotion_waits_stays_and_one_that_was_rejected_goes() -> None:
    promoted(trained("waiting"), "proposed")
    promoted(trained("rejected"), "rejected")

    report = clean()

    assert kept(report) == {"waiting": "a promotion of it waits for a decision"}
    assert [model.id for model in report.removed] == ["rejected"]


def test_a_model_that_is_being_evaluated_stays_unless_that_was_given_up() -> None:
    evaluated(trained("candidate"), state="running")
    evaluated(
        trained("unasked"),
        state="running",
        candidate_model="another",
        incumbent_provider="local",
        incumbent_model="incumbent",
    )
    trained("incumbent")
    evaluated(trained("given up"), state="running", created_at=NOW - timedelta(days=8))

    report = clean()

    assert set(kept(report)) == {"candidate", "incumbent"}
    assert {model.id for model in report.removed} == {"unasked", "given up"}


@pytest.mark.parametrize("state", ["queued", "preparing", "training", "finishing"])
def test_a_model_that_is_being_trained_further_stays(state: str) -> None:
    run_of("another", base_model=trained("old").folder, state=state)

    assert kept(clean()) == {"old": "a run is training it further"}


def test_with_a_route_that_nobody_understands_nothing_is_removed() -> None:
    model = trained("old")
    Route.objects.create(name="shop", config={"of": "another release"}, version=1, effective=1, changed_at=NOW)

    with pytest.raises(WrongRoute):
        clean()

    assert Path(model.folder).is_dir()
    assert TrainedModel.objects.get().removed_at is None


# --- Meanwhile -------------------------------------------------------------------------------------------------------


def test_a_route_that_is_set_meanwhile_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the list of old models and the decision on each."""
    first, second = trained("first", days=101), trained("second")
    real = cleaning._remove

    def removed(model: TrainedModel) -> None:
        set_route("shop", single(target(second)), by="ann")
        real(model)

    monkeypatch.setattr(cleaning, "_remove", removed)

    report = clean()

    assert [model.id for model in report.removed] == [first.pk]
    assert kept(report) == {"second": "a route leads to it"}
    assert Path(second.folder).is_dir()


def test_a_promotion_that_comes_too_late_is_refused() -> None:
    model = trained("old")
    promotion = promoted(model, "rejected")
    clean()
    promotion.state = "proposed"
    promotion.save()

    with pytest.raises(PromotionRefused, match="was removed"):
        approve(promotion.pk, by="ann", reason="")


# --- Kills and failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deleted", [0, 1])
def test_a_killed_run_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch, deleted: int) -> None:
    """Killed before the folder is renamed, or in the middle of its deletion."""
    model = trained("old")
    (Path(model.folder) / "tokenizer.json").touch()

    def die(folder: Path, **options: Any) -> None:
        if not options:
            if deleted:
                next(folder.iterdir()).unlink()
            raise Killed

    with monkeypatch.context() as patch, suppress(Killed):
        patch.setattr(shutil, "rmtree", die)
        if not deleted:
            patch.setattr(Path, "rename", lambda self, to: die(self))
        clean()
    assert ModelRemoval.objects.get().finished_at is None
    assert TrainedModel.objects.get().removed_at is not None

    report = clean()

    assert [found.id for found in report.removed] == ["old"]
    assert names_in(loop_settings().models_folder) == set()
    assert ModelRemoval.objects.get().finished_at is not None


def test_a_service_that_fails_is_asked_again_by_the_next_run_and_hinders_no_other(
    service: type[RemovingTrainer],
) -> None:
    trained("remote", trainer="remote", local=False, days=102)
    trained("local")
    service.failures = 1

    report = clean()

    assert [(model.id, model.why) for model in report.failed] == [("remote", "ConnectionError")]
    assert [model.id for model in report.removed] == ["local"]
    assert ModelRemoval.objects.get(pk="remote").problem == "ConnectionError"
    assert [model.id for model in clean().removed] == ["remote"]
    assert ModelRemoval.objects.get(pk="remote").problem == ""


def test_a_trainer_that_is_configured_no_more_is_told(service: type[RemovingTrainer]) -> None:
    trained("old", trainer="gone", local=False)

    [failed] = clean().failed

    assert "There is no trainer 'gone'" in failed.why


def test_no_folder_elsewhere_is_ever_deleted(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    models = loop_settings().models_folder
    models.mkdir(parents=True)
    (models / "link").symlink_to(elsewhere)
    for name, folder in (("a", elsewhere), ("b", models), ("c", models / "x" / ".."), ("d", models / "link")):
        model = trained(name)
        shutil.rmtree(model.folder)
        TrainedModel.objects.filter(pk=name).update(folder=str(folder))

    report = clean()

    assert {model.id for model in report.failed} == {"a", "b", "d"}  # the third leads nowhere
    assert all("was not deleted" in model.why for model in report.failed)
    assert elsewhere.is_dir()
    assert models.is_dir()


def test_a_folder_that_somebody_deleted_is_taken_note_of() -> None:
    shutil.rmtree(trained("old").folder)

    assert [model.id for model in clean().removed] == ["old"]


def test_two_runs_at_once_are_refused() -> None:
    with only_run("cleanup-models"), pytest.raises(JobBusy):
        clean()


# --- The command -----------------------------------------------------------------------------------------------------


def test_the_command_says_what_went_and_what_stays(capsys: pytest.CaptureFixture[str]) -> None:
    trained("old")
    set_route("shop", single(target(trained("routed"))), by="ann")

    call_command("cleanup_models", "--older-than", "90d")

    told = capsys.readouterr().out
    created = f"{NOW - timedelta(days=100):%Y-%m}"
    assert f"Removed local/old (shop, {created}" in told
    assert "Kept local/routed" in told
    assert "a route leads to it." in told
    assert "Removed 1 model, 1.0 kB." in told


def test_the_command_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    trained("old")

    call_command("cleanup_models", "--older-than", "90d", "--dry-run", "--json")

    found = json.loads(capsys.readouterr().out)
    assert (found["dry_run"], [model["id"] for model in found["removed"]]) == (True, ["old"])


def test_the_command_fails_when_something_is_left(service: type[RemovingTrainer]) -> None:
    trained("old", trainer="remote", local=False)
    service.failures = 1

    with pytest.raises(CommandError, match="1 model could not be wholly removed") as raised:
        call_command("cleanup_models", "--older-than", "90d")

    assert raised.value.returncode == 1


def test_the_command_leaves_it_to_another_run() -> None:
    with only_run("cleanup-models"), pytest.raises(CommandError) as raised:
        call_command("cleanup_models", "--older-than", "90d")

    assert raised.value.returncode == 75
