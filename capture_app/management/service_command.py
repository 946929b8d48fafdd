"""What every command of Gleaner shares: it calls one service, shows its progress, prints the result or JSON of it."""

import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import orjson
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor

from capture_app.checks import TAG
from capture_app.exceptions import CaptureError
from capture_app.models import Job
from capture_app.progress import Progress
from capture_app.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress as ProgressBars

BUSY = 75  # sysexits' EX_TEMPFAIL: try again later
INTERRUPTED = 130  # what shells return for Ctrl-C


class ServiceCommand(BaseCommand):
    """Subclasses say which service in `call`, and how its result reads in `show`."""

    errors: ClassVar[tuple[type[Exception], ...]] = (CaptureError,)
    tables_of: ClassVar[tuple[str, ...]] = ("capture_app",)  # the apps without whose tables it does not begin
    requires_system_checks = (TAG,)  # of settings; pages, models and templates are a deployment's to check
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print the result as one JSON object on standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with _database_errors_told(), progress_on_stderr() as progress:
                result = self.call(progress, options)
        except self.errors as error:
            raise CommandError(str(error), returncode=self.exit_code(error)) from error
        except OSError as error:
            message = f"{error}. Nothing is lost and nothing half-written. Mend the cause, then run the command again."
            raise CommandError(message) from error
        except (KeyboardInterrupt, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "interrupted" not in str(error).lower():
                raise  # only DuckDB's way to say Ctrl-C is meant
            message = "Interrupted. Nothing is lost and nothing half-written; run the command again to go on."
            raise CommandError(message, returncode=INTERRUPTED) from error
        if options["json"]:
            self.stdout.write(orjson.dumps(self.as_json(result), default=_jsonable).decode())
        else:
            self.show(result)
        self.finish(result, options)

    def check_migrations(self) -> None:
        """Refuse to begin without tables. Django would print a notice, into the JSON, and fail halfway."""
        with _database_errors_told():
            pending = _unapplied(self.tables_of) if self.needs_tables() else []
        if pending:
            raise CommandError(
                f"{counted(len(pending), 'migration')} of {' and '.join(self.tables_of)} not applied, {pending[0]} "
                "first. Nothing was done, and what was captured is safe where it is. Run `manage.py migrate`, then "
                "the command again."
            )

    def needs_tables(self) -> bool:
        """Whether there must be all tables, here and now."""
        return True

    @abstractmethod
    def call(self, progress: Progress, options: dict[str, Any]) -> Any: ...

    @abstractmethod
    def show(self, result: Any) -> None: ...

    def as_json(self, result: Any) -> Any:
        return result

    def exit_code(self, error: Exception) -> int:
        return 1

    def finish(self, result: Any, options: dict[str, Any]) -> None:
        """Raise CommandError here when the result, though printed, is bad news."""


@contextmanager
def _database_errors_told() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        message = (
            f"Django's database: {str(error).rstrip('.')}. Nothing is lost and nothing half-written. If a table is "
            "missing, run `manage.py migrate`; else mend the cause. Then run the command again."
        )
        raise CommandError(message) from error


def _unapplied(apps: tuple[str, ...]) -> list[str]:
    """The migrations of these apps that are still to be applied, in their order."""
    try:
        executor = MigrationExecutor(connections[router.db_for_write(Job)])
    except ImproperlyConfigured:  # without DATABASES: what needs a table says so itself
        return []
    targets = [leaf for app in apps for leaf in executor.loader.graph.leaf_nodes(app)]
    plan = [migration for migration, _ in executor.migration_plan(targets)]
    return [f"{migration.app_label}.{migration.name}" for migration in plan if migration.app_label in apps]


def _jsonable(value: object) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """Bars on a terminal; elsewhere a line when a stage begins."""
    if not sys.stderr.isatty():
        yield _PlainLines()
        return
    from rich.console import Console  # for a terminal only: cron and Celery need not wait for it
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as ProgressBars

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with ProgressBars(*columns, console=Console(file=sys.stderr), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """One bar per stage."""

    def __init__(self, bars: "ProgressBars") -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total or None)
        self._bars.update(self._tasks[stage], completed=done, total=total or None)


class _PlainLines:
    """A line when a stage begins: logs of cron and Celery stay short."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self._stage = stage
            print(f"{stage} ...", file=sys.stderr, flush=True)
