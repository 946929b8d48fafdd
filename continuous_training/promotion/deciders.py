"""Who may decide."""

from typing import Final

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from continuous_training.exceptions import PromotionRefused

DECIDE: Final = "continuous_training.decide_promotion"


def may_decide(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Whether the user is active staff with the right."""
    is_staff = user.is_active and getattr(user, "is_staff", False)
    return bool(is_staff and user.has_perm(DECIDE))  # type: ignore[union-attr]  # every user has it


def decider(name: str) -> str:
    """The name, if it is that of a user who may decide; raises PromotionRefused."""
    model = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None or not may_decide(user):
        raise PromotionRefused(
            f"{name!r} is no user with the right {DECIDE}, so nothing was decided. An administrator gives that right."
        )
    return name
