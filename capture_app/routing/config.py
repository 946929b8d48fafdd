"""What a route says: which models answer, in which shares, and who steps in. Plain values, and their JSON.

    {"targets": [{"provider": "openai", "model": "gpt-5-mini", "weight": 95},
                 {"provider": "local", "model": "shop_2026w47", "weight": 5}],
     "fallback": {"provider": "openai", "model": "gpt-5-mini"},
     "vision": {"provider": "openai", "model": "gpt-5"},
     "shadow": {"provider": "local", "model": "shop_2026w48"}, "shadow_share": 0.1,
     "sticky": true}

Only `targets` must be there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from capture_app.exceptions import CaptureError

_KEYS: Final = frozenset(("targets", "fallback", "vision", "shadow", "shadow_share", "sticky"))
_TARGET_KEYS: Final = frozenset(("provider", "model"))


class WrongRoute(CaptureError):
    """A route's configuration that says nothing anybody could follow. The route stays as it was."""


class Target(NamedTuple):
    """A provider's name in TRAINING_CAPTURE["PROVIDERS"], and the model to ask it for ("" leaves the choice to it)."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


class Share(NamedTuple):
    """A target, and its part of the calls: its weight over the sum of all weights."""

    target: Target
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteConfig:
    """Who answers a task's calls."""

    shares: tuple[Share, ...]  # at least one; a share keeps its place while weights change, see routes.choose
    fallback: Target | None = None  # answers when the chosen one fails
    vision: Target | None = None  # answers what has an image in it
    shadow: Target | None = None  # asked as well, after the answer, and recorded beside it
    shadow_share: float = 1.0  # of the calls, 0 to 1
    sticky: bool = True  # all calls of a conversation, or else of a user, go to the same target

    def targets(self) -> set[Target]:
        """All that may be asked."""
        others = {target for target in (self.fallback, self.vision, self.shadow) if target}
        return {share.target for share in self.shares} | others

    def main(self) -> Target:
        """The one with the largest share, the first of equals."""
        return max(self.shares, key=lambda share: share.weight).target

    def without(self, target: Target) -> "RouteConfig | None":
        """The route as it would be without it; None: nobody would answer."""
        shares = tuple(share for share in self.shares if share.target != target)
        if not sum(share.weight for share in shares):
            return None
        return replace(
            self,
            shares=shares,
            fallback=None if self.fallback == target else self.fallback,
            vision=None if self.vision == target else self.vision,
            shadow=None if self.shadow == target else self.shadow,
        )

    def to_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "targets": [{**share.target._asdict(), "weight": share.weight} for share in self.shares],
            "sticky": self.sticky,
        }
        for name in ("fallback", "vision", "shadow"):
            target = getattr(self, name)
            said |= {name: target._asdict()} if target else {}
        return said | ({"shadow_share": self.shadow_share} if self.shadow else {})


def single(target: Target) -> RouteConfig:
    """All calls to one."""
    return RouteConfig(shares=(Share(target, 1.0),))


def parse_route(said: Any) -> RouteConfig:
    """The configuration in its JSON; raises WrongRoute, whose text names the fault."""
    if not isinstance(said, Mapping):
        raise WrongRoute("A route is an object with targets.")
    if unknown := sorted(set(said) - _KEYS, key=str):
        raise WrongRoute(f"A route has no {unknown[0]!r}; it has {', '.join(sorted(_KEYS))}.")
    targets = said.get("targets")
    if not isinstance(targets, list) or not targets:
        raise WrongRoute("A route needs a list of targets, one at least.")
    shares = tuple(_share(each) for each in targets)
    if len({share.target for share in shares}) < len(shares):
        raise WrongRoute("A route names each target once: add their weights.")
    if not sum(share.weight for share in shares):
        raise WrongRoute("The weights of a route's targets are all 0, so nobody would answer.")
    sticky = said.get("sticky", True)
    if not isinstance(sticky, bool):
        raise WrongRoute(f"sticky is {sticky!r}; it is true or false.")
    return RouteConfig(
        shares=shares,
        fallback=_optional(said, "fallback"),
        vision=_optional(said, "vision"),
        shadow=_optional(said, "shadow"),
        shadow_share=_number(said.get("shadow_share", 1.0), "shadow_share", most=1.0),
        sticky=sticky,
    )


def _share(said: Any) -> Share:
    if not isinstance(said, Mapping):
        raise WrongRoute(f"A target is an object with provider and model, not {said!r}.")
    weight = _number(said.get("weight", 1.0), "weight", most=math.inf)
    return Share(_target({key: value for key, value in said.items() if key != "weight"}), weight)


def _optional(said: Mapping[str, Any], name: str) -> Target | None:
    return _target(said[name]) if said.get(name) else None


def _target(said: Any) -> Target:
    if not isinstance(said, Mapping) or set(said) - _TARGET_KEYS or not isinstance(said.get("provider"), str):
        raise WrongRoute(f"A target is {{'provider': ..., 'model': ...}}, not {said!r}.")
    model = said.get("model", "")
    if not isinstance(model, str) or not said["provider"]:
        raise WrongRoute(f"A target's provider is a name, and its model a text: {said!r} is not that.")
    return Target(said["provider"], model)


def _number(value: Any, name: str, *, most: float) -> float:
    is_number = type(value) in (int, float) and math.isfinite(value)
    if not is_number or not 0 <= value <= most:
        raise WrongRoute(f"{name} is {value!r}; it is a number from 0 on" + (f" to {most:g}." if most < 2 else "."))
    return float(value)
