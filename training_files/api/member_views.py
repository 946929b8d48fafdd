"""The conversations of a training file: what is in it, what is added, what is removed, what would even it out."""

from itertools import islice

from rest_framework.request import Request
from rest_framework.response import Response

from training_files import balance, service
from training_files.api.answers import Members, OneTrainingFile, Suggestions
from training_files.api.asked import MembersWanted, SomeConversations, SuggestionsWanted
from training_files.api.base import ApiView, done_once, path_uuid
from training_files.api.callers import READ, WRITE
from training_files.api.file_views import one
from training_files.api.pages import page_of_positions
from training_files.api.told import FILE_ID, told


class AddView(ApiView):
    scopes = {"POST": WRITE}

    @told(
        "addConversations", {200: OneTrainingFile}, 404, 500, 503,
        parameters=(FILE_ID,), request=SomeConversations, is_once=True,
    )  # fmt: skip
    @done_once
    def post(self, request: Request, file_id: str) -> Response:
        """Add conversations to the current version, after all others: all of them, or none."""
        asked = self.asked(SomeConversations)
        return one(service.add_conversations(path_uuid(file_id), asked["conversation_ids"], by=self.actor))


class RemoveView(ApiView):
    scopes = {"POST": WRITE}

    @told(
        "removeConversations", {200: OneTrainingFile}, 404, 500, 503,
        parameters=(FILE_ID,), request=SomeConversations, is_once=True,
    )  # fmt: skip
    @done_once
    def post(self, request: Request, file_id: str) -> Response:
        """Remove conversations from the current version. Older versions keep them."""
        asked = self.asked(SomeConversations)
        return one(service.remove_conversations(path_uuid(file_id), asked["conversation_ids"], by=self.actor))


class MembersView(ApiView):
    scopes = {"GET": READ}

    @told("listConversationsOfTrainingFile", {200: Members}, 400, 404, parameters=(FILE_ID, MembersWanted))
    def get(self, request: Request, file_id: str) -> Response:
        """List the conversations of a version, in their order."""
        wanted, key = self.asked_in_query(MembersWanted), path_uuid(file_id)
        number = wanted.get("version")

        def fetch(offset: int, limit: int) -> list[dict[str, str]]:
            found = service.conversations_in(key, number=number, offset=offset, limit=limit)
            return [{"conversation_id": each, "sha256": sha256} for each, sha256 in islice(found, limit)]

        page = page_of_positions(request, fetch, limit=wanted["limit"], cursor=wanted.get("cursor"))
        return Response(Members({"conversations": page.items, "next": page.next, "previous": page.previous}).data)


class SuggestionsView(ApiView):
    scopes = {"GET": READ}

    @told("suggestConversations", {200: Suggestions}, 400, 404, parameters=(FILE_ID, SuggestionsWanted))
    def get(self, request: Request, file_id: str) -> Response:
        """Suggest conversations that would even the training file out, over persona, arc and topic, or over tiers."""
        wanted = self.asked_in_query(SuggestionsWanted)
        return Response(Suggestions({"suggestions": balance.suggest(path_uuid(file_id), **wanted)}).data)
