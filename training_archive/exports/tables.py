"""Which of our tables there are: a training host may have none, and no database either."""

from typing import Any, Final

from django.db import connections, router

_NO_DATABASE: Final = "django.db.backends.dummy"  # what Django takes when DATABASES is not set


def has_table(model: Any) -> bool:
    """Whether the model's table is there. A database that cannot be reached raises DatabaseError."""
    connection = connections[router.db_for_read(model)]
    if connection.settings_dict["ENGINE"] == _NO_DATABASE:
        return False
    return model._meta.db_table in connection.introspection.table_names()
