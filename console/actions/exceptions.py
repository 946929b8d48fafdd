"""What can go wrong with an action. Each message says what happened, what is safe and what to do next."""


class ActionError(Exception):
    """Root of every error that the console's actions raise on purpose. Its text holds nothing of an example."""


class BadSelection(ActionError):
    """What a request names is no selection of examples."""


class TooMany(ActionError):
    """More examples than a page deals with."""


class CannotReplay(ActionError):
    """The recorded call cannot be sent again, or was not answered."""
