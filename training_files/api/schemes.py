"""How the OpenAPI description names the two ways to be let in."""

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema

from training_files.api.callers import SCOPES


class _Token(OpenApiAuthenticationExtension):
    target_class = "training_files.api.authentication.ByToken"
    name = "token"

    def get_security_requirement(self, auto_schema: AutoSchema) -> dict[str, list[Any]]:
        needed = getattr(auto_schema.view, "scopes", {}).get(auto_schema.method)
        return {"token": [needed] if needed else []}

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        scopes = "; ".join(f"`{scope}`: may {about}" for scope, about in SCOPES.items())
        made = "Made by `manage.py create_api_token NAME --scope SCOPE`."
        return {"type": "http", "scheme": "bearer", "description": f"{made} {scopes}."}


class _Login(OpenApiAuthenticationExtension):
    target_class = "training_files.api.authentication.ByLogin"
    name = "login"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        about = "Of somebody who is logged in to the admin. What changes something needs the header X-CSRFToken, too."
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": about}
