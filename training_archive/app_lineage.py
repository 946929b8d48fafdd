"""The module `lineage` of each app: it registers what the app makes from examples, keeps of them, and holds out.

It is imported when somebody asks, and not at start: a third of a process's start would go to it, and few processes ask.
"""

from django.utils.module_loading import autodiscover_modules


def load_lineage() -> None:
    """Have all of it registered. One that cannot be imported raises: what it would say must not be missed."""
    autodiscover_modules("lineage")
