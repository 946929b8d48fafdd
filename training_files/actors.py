"""Who asks for a change: everybody who may read sees all training files, and changes those that are their own."""

from dataclasses import dataclass
from typing import Final

from training_files.exceptions import NotOwner
from training_files.models import TrainingFile


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a token, or whoever is at the shell."""

    name: str  # "user:ada", "token:ci", "shell"; the owner of what they create
    may_change_all: bool = False  # also what others own

    def may_change(self, training_file: TrainingFile) -> bool:
        return self.may_change_all or training_file.owner == self.name

    def must_be_allowed(self, training_file: TrainingFile) -> None:
        """Raises NotOwner."""
        if not self.may_change(training_file):
            raise NotOwner(
                f"The training file {training_file.name!r} belongs to {training_file.owner}, so {self.name} may read "
                "but not change it. Nothing was changed; ask its owner, or somebody with the right to change all."
            )


SHELL: Final = Actor("shell", may_change_all=True)  # who can run commands can also write to the database
WORKER: Final = Actor("worker", may_change_all=True)  # does what others have asked for
