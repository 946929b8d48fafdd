"""Who is asked in an evaluation: a provider and a model, whatever the routes say."""

from capture_app.conf import capture_settings
from capture_app.providers import get_provider
from capture_app.routes import resolve_route
from capture_app.routing.config import Target
from continuous_training.exceptions import EvaluationRefused


def parse_target(text: str) -> Target:
    """`PROVIDER/MODEL`; a model's name may have more of the slash. Raises EvaluationRefused."""
    provider, slash, model = text.partition("/")
    if not slash or not provider or not model:
        raise EvaluationRefused(f"{text!r} is no PROVIDER/MODEL, such as openai/gpt-5-mini. Nothing was asked.")
    return checked_target(Target(provider, model))


def checked_target(target: Target) -> Target:
    """The target, whose provider can be made. Raises EvaluationRefused, or what the provider's constructor raises."""
    providers = capture_settings().providers
    if target.provider not in providers:
        raise EvaluationRefused(
            f"There is no provider {target.provider!r}; there are {', '.join(sorted(providers))}. Nothing was asked."
        )
    get_provider(target.provider)
    return target


def incumbent_of(task: str) -> Target:
    """Who answers the task now: of a route with several targets, the one with the largest share."""
    return checked_target(resolve_route(task=task, model=None))
