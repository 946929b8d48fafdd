"""Tokens of `manage.py create_api_token`; and logins to the admin, which need a CSRF token to change anything."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from capture_app.api_tokens import identify
from capture_app.exceptions import NotAllowed, NotAuthenticated
from training_files.api.callers import Caller, caller_of_token, caller_of_user

_CHALLENGE = 'Bearer realm="training files"'


class ByToken(BaseAuthentication):
    """`Authorization: Bearer TOKEN`. A header that is there must be good: no login makes up for it."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller] | None:
        if "Authorization" not in request.headers:
            return None
        try:
            token = identify(request)
        except (NotAuthenticated, NotAllowed) as error:
            raise exceptions.AuthenticationFailed(str(error)) from error
        return AnonymousUser(), caller_of_token(token.name, token.scopes)

    def authenticate_header(self, request: Request) -> str:
        return _CHALLENGE


class ByLogin(SessionAuthentication):
    """The session of somebody who is logged in."""

    def authenticate(self, request: Request) -> tuple[AbstractBaseUser, Caller] | None:
        found = super().authenticate(request)
        return None if found is None else (found[0], caller_of_user(found[0]))


class HasScope(BasePermission):
    """Whoever asks holds the scope that the view names for the method."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        method = "GET" if request.method == "HEAD" else request.method  # whose status and length tell as much
        needed = getattr(view, "scopes", {}).get(method)
        if needed is None or (isinstance(request.auth, Caller) and needed in request.auth.scopes):
            return True
        self.message = f"This needs the scope {needed!r}. Nothing was changed; ask for a token or a right that has it."
        return False
