"""What takes private stretches out of texts: ours, presidio's analyzer, and five regular expressions."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, RecognizerResult
from presidio_analyzer.nlp_engine import SpacyNlpEngine

from continuous_training.redaction import redact_text
from tests.unit.continuous_training.redaction.labelled import Mark

Finder = Callable[[str], list[Mark]]

OURS, PRESIDIO, EXPRESSIONS = "Gleaner", "presidio-analyzer", "five regular expressions"

# Presidio's names of the kinds that both claim.
_KINDS: Final = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "URL": "URL",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
}
_EXPRESSIONS: Final = {
    "EMAIL": re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    "URL": re.compile(r"https?://\S+"),
    "PHONE": re.compile(r"\b\d{3}[-.]?\d{3}[-.]?\d{4}\b"),
    "HANDLE": re.compile(r"(?<!\w)@\w+"),
}
_NAME: Final = re.compile(r"\b[A-Z][a-z]+ [A-Z][a-z]+\b")  # two adjacent capitalised words


def finders() -> dict[str, Finder]:
    """By name. Presidio is made anew: that takes a second."""
    return {OURS: find_ours, PRESIDIO: presidio_finder(), EXPRESSIONS: find_by_expressions}


def find_ours(text: str) -> list[Mark]:
    return [Mark(span.start, span.end, span.kind) for span in redact_text(text).spans]


def find_by_expressions(text: str) -> list[Mark]:
    """Names are looked for as well, which costs time, and not counted: we have no rule that finds them."""
    marks = [Mark(*found.span(), kind) for kind, form in _EXPRESSIONS.items() for found in form.finditer(text)]
    for _ in _NAME.finditer(text):
        pass
    return _apart(marks)


def presidio_finder() -> Finder:
    """Presidio with its own recognizers for patterns, and a spaCy pipeline that only splits words."""
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=())  # else it asks the internet
    pipeline = _BlankPipeline()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(nlp_engine=pipeline, languages=["en"])
    analyzer = AnalyzerEngine(nlp_engine=pipeline, registry=registry, supported_languages=["en"])

    def find(text: str) -> list[Mark]:
        results = analyzer.analyze(text, language="en", entities=list(_KINDS))
        best_first = sorted(results, key=lambda one: (-one.score, one.start - one.end))
        return _apart([_mark(result) for result in best_first])

    return find


class _BlankPipeline(SpacyNlpEngine):
    """spaCy's tokenizer for English, without a model."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
        self.nlp = {"en": spacy.blank("en")}

    def load(self) -> None:
        """Nothing to load."""

    def is_loaded(self) -> bool:
        return True


def _mark(result: RecognizerResult) -> Mark:
    return Mark(result.start, result.end, _KINDS[result.entity_type])


def _apart(marks: Sequence[Mark]) -> list[Mark]:
    """Without those that overlap one before them."""
    return list(_first_ones(marks))


def _first_ones(marks: Sequence[Mark]) -> Iterator[Mark]:
    taken: list[Mark] = []
    for mark in marks:
        if all(mark.end <= other.start or other.end <= mark.start for other in taken):
            taken.append(mark)
            yield mark
