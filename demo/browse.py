"""`python -m demo.browse [--loop]`: Django's admin over what the demo, or the loop, captured, on this machine only."""

import os
import secrets
import socket
import sys

import django
from django.core.management import call_command

import demo
from demo import loop

HOST = "127.0.0.1"
USER = "demo"


def main() -> None:
    shown, made_by = (loop, "make loop") if "--loop" in sys.argv[1:] else (demo, "make demo")
    if not (shown.FOLDER / "db.sqlite3").exists():
        raise SystemExit(f"There is nothing to browse yet. Run `{made_by}` first.")
    port = os.environ.get("PORT") or "8000"
    _check_free(port)  # before another window's password is changed
    os.environ.update(shown.environment(), DEBUG="1")
    django.setup()
    password = _new_password()
    address = f"{HOST}:{port}"
    print(f"\n  http://{address}/admin/\n  user {USER}, password {password}\n\n  Ctrl-C stops it.\n", flush=True)
    call_command("runserver", address, use_reloader=False)


def _check_free(port: str) -> None:
    try:
        with socket.create_server((HOST, int(port))):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise SystemExit(
            f"Port {port} cannot be used: {error}. Is `make browse` running in another window? Else name another one: "
            "make browse PORT=8001"
        ) from None


def _new_password() -> str:
    """A new password at each start; the account exists in the demo's database only."""
    from django.contrib.auth.models import User

    password = secrets.token_urlsafe(9)
    user, _ = User.objects.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
    user.set_password(password)
    user.save()
    return password


if __name__ == "__main__":
    main()
