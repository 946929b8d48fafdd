"""What a person may do with training files, by Django's own permissions of their model and by whose they are.

Who may view them sees all. Who may change them changes all; who may add them makes their own, and changes those.
"""

from typing import Final

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet

from training_files.actors import Actor
from training_files.models import TrainingFile

CHANGE: Final = "training_files.change_trainingfile"
ADD: Final = "training_files.add_trainingfile"

User = AbstractBaseUser | AnonymousUser


def actor_of(user: User) -> Actor:
    return Actor(f"user:{user.get_username()}", may_change_all=_has(user, CHANGE))


def may_change(user: User, training_file: TrainingFile) -> bool:
    return _has(user, CHANGE) or (_has(user, ADD) and actor_of(user).may_change(training_file))


def may_make(user: User) -> bool:
    return _has(user, ADD)


def changeable(user: User) -> QuerySet[TrainingFile]:
    """Those that the person may change."""
    if _has(user, CHANGE):
        return TrainingFile.objects.all()
    own = TrainingFile.objects.filter(owner=actor_of(user).name)
    return own if _has(user, ADD) else own.none()


def _has(user: User, right: str) -> bool:
    is_staff = user.is_active and getattr(user, "is_staff", False)
    return is_staff and user.has_perm(right)  # type: ignore[union-attr]  # every user that is staff has it
