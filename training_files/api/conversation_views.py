"""Conversations: list, look at, import, review. Their text is in training files, and nowhere here."""

from typing import Any, Final

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from training_files.api.answers import Conversations, OneConversation
from training_files.api.asked import ConversationsWanted, ImportWanted, Review
from training_files.api.base import ApiView, done_once, path_number, path_text
from training_files.api.callers import READ, WRITE
from training_files.api.individual import IndividualFile
from training_files.api.pages import page_of_rows
from training_files.api.told import CONVERSATION_ID, LOCATION, told
from training_files.api.wire import BytesParser
from training_files.conversations.importing import import_individual
from training_files.conversations.review import review_pair
from training_files.conversations.store import get_conversation
from training_files.exceptions import InvalidRequest, NotFound
from training_files.finding import find_conversations

_TAG: Final = "conversations"
_MOST_BYTES: Final = 10 * 2**20
_TURN: Final = OpenApiParameter(
    "turn", {"type": "integer", "minimum": 0, "maximum": 1_000_000}, OpenApiParameter.PATH, required=True
)


class ConversationsView(ApiView):
    scopes = {"GET": READ, "POST": WRITE}
    most_bytes = _MOST_BYTES

    def get_parsers(self) -> list[BaseParser]:
        """What is imported is not read before it is examined."""
        return [BytesParser()]

    @told("listConversations", {200: Conversations}, 400, 404, parameters=(ConversationsWanted,), tag=_TAG)
    def get(self, request: Request) -> Response:
        """List conversations, the newest first."""
        wanted = self.asked_in_query(ConversationsWanted)
        limit, cursor = wanted.pop("limit"), wanted.pop("cursor", None)
        page = page_of_rows(request, find_conversations(**wanted), limit=limit, cursor=cursor)
        answer = {"conversations": page.items, "next": page.next, "previous": page.previous}
        return Response(Conversations(answer).data)

    @told(
        "importConversation", {201: OneConversation, 200: OneConversation}, 500, 503,
        parameters=(ImportWanted, LOCATION), request=IndividualFile, is_once=True, tag=_TAG,
    )  # fmt: skip
    @done_once
    def post(self, request: Request) -> Response:
        """Import an individual enriched file: 201 for a new conversation, 200 for one that was there.

        One of the same id is replaced; what people said of pairs that did not change stays. Files that are larger than
        10 MiB, and full training files, are for `manage.py import_conversations`.
        """
        wanted = self.asked_in_query(ImportWanted)
        content: Any = request.data or b""  # an empty body is not even parsed
        conversation_id, is_new = import_individual(content, name=wanted["source_file"], by=self.actor.name)
        answer = OneConversation(get_conversation(conversation_id))
        location = reverse("training_files:conversation", args=[conversation_id])
        return Response(answer.data, status=201 if is_new else 200, headers={"Location": location})


class ConversationView(ApiView):
    scopes = {"GET": READ}

    @told("getConversation", {200: OneConversation}, 404, parameters=(CONVERSATION_ID,), tag=_TAG)
    def get(self, request: Request, conversation_id: str) -> Response:
        """Look at a conversation."""
        return Response(OneConversation(get_conversation(path_text(conversation_id))).data)


class ReviewView(ApiView):
    scopes = {"PUT": WRITE}

    @told(
        "reviewPair", {200: OneConversation}, 404, 409, 500, 503,
        parameters=(CONVERSATION_ID, _TURN), request=Review, tag=_TAG,
    )  # fmt: skip
    def put(self, request: Request, conversation_id: str, turn: str) -> Response:
        """Say what a person thinks of a pair. It counts as reviewed, and the conversation's tier is computed anew.

        Training files that have the conversation keep it as it was when it was added.
        """
        asked, key, number = self.asked(Review), path_text(conversation_id), path_number(turn)
        try:
            row = review_pair(key, number, by=self.actor.name, **asked)
        except InvalidRequest as error:
            if error.field == "pair":
                raise NotFound(f"The conversation has no pair of turn {number}.") from error
            raise
        return Response(OneConversation(row).data)
