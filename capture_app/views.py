"""For machines: is this process able to capture, what has been captured, and what they say of it."""

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from capture_app.exposition import CONTENT_TYPE, render_metrics
from capture_app.feedback_api import answer_feedback
from capture_app.health import health_problem


# With ATOMIC_REQUESTS a database that is away would fail both views before they begin.
@transaction.non_atomic_requests
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this process could keep a record, else 503 and why. An old archive is no reason to end a web server."""
    problem = health_problem()
    if problem:
        return JsonResponse({"status": "unavailable", "reason": problem}, status=503)
    return JsonResponse({"status": "ok"})


@transaction.non_atomic_requests
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """In Prometheus' text format. A figure whose source is away is left out."""
    return HttpResponse(render_metrics(), content_type=CONTENT_TYPE)


@csrf_exempt  # a token is asked for, and no cookie is looked at
@require_POST
@never_cache
def feedback(request: HttpRequest) -> HttpResponse:
    """201 when it was stored, 200 when it had been before; else why not, see docs/formats.md."""
    reply = answer_feedback(request)
    headers = {"WWW-Authenticate": "Bearer"} if reply.status == 401 else {}
    return JsonResponse(reply.body, status=reply.status, headers=headers)
