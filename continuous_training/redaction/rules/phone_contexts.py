"""Words that say of the number behind them that it is a phone's, or that it is none. All in lower case."""

import re
from enum import Enum, auto
from typing import Final

from continuous_training.redaction.rules.words import any_of, words

_ANNOUNCING: Final = words("""
    anrufen appeler appelez bel bellen call called calling calls cell cell_phone cellphone cellulare celular chiama
    chiamami chiamare contact_phone dial dialed dialled fax fax_number fon handy handynummer helpline homephone
    hotline ligue llama llamar llame llámame mob mobiel mobil mobile mobile_number mobile_phone mobilephone
    mobilfunk mobilnummer movil móvil ph phone phone_number phoneno phonenumber phonenumbers phones portable ring
    ruf rufen rufnummer rückruf sms switchboard tel telefon telefone telefonisch telefonnr telefonnummer telefono
    telefoon telefoonnummer telephone teléfono texted texting tlf tél téléphone voicemail whatsapp workphone zadzwoń
    тел телефон
""")
_BETWEEN: Final = words("""
    a al an at au auf back bitte direct el es est her him his home il is ist it lautet line lo me mi mich mij moi my
    no nous now nr num number numbers numero nummer numéro número office on op or our para please por private sie
    support the them to today under uns unter us was work your à è é
""")
_OTHER: Final = words("""
    account article artikel artikelnummer asin batch bestellnummer bestellung bic booking build case claim code
    commande contract crc customer doi ean epoch factura facture gtin hash iban id ids imei invoice isbn isbn-10
    isbn-13 issn item konto kunde kundennummer licence license line lines lot lottery lotto member membership order
    orders ordine page pages parcel part passport pedido plz pmid policy port ports range rechnung rechnungsnummer
    ref reference seed serial shipment sku ticket timestamp tracking transaction upc version vin zip
""")
_GAP: Final = r"[^\w\n\[\]()+]{1,3}"
_ANNOUNCED: Final = re.compile(
    rf"(?:\b(?:{any_of(_ANNOUNCING)}|text (?:me|us|him|her|them))\b"
    rf"{_GAP}(?:(?:{any_of(_BETWEEN)})\b{_GAP}){{0,4}}|[\u260e\u260f\u2706\U0001f4de\U0001f4f1电话话机話][\s:\uff1a]{{0,2}})\(?\+?$"
)
_NAMED_OTHERWISE: Final = re.compile(
    rf"(?:\b(?:{any_of(_OTHER)})\b(?:[^\w\n\[\]]{{1,3}}(?:\b(?:number|numbers|no|nr|id|num|is|was|code)\b)?){{0,4}}|[#№]\s?)$"
)


# Numbers are many, and few have such a word before them: the words alone are looked at first.
_WORD: Final = re.compile(r"[^\W\d]\w*")
_SOME_ANNOUNCING: Final = _ANNOUNCING | {"text"}
_SOME_OTHER: Final = frozenset(word.partition("-")[0] for word in _OTHER)


class Said(Enum):
    """What stands before a number says that it is a phone's, that it is another, or nothing."""

    PHONE = auto()
    OTHER = auto()
    NOTHING = auto()


def said_of_number(before: str) -> Said:
    """What the end of `before`, in lower case, says of the number behind it."""
    words_before = _WORD.findall(before)
    if not (before.isascii() and _SOME_ANNOUNCING.isdisjoint(words_before)) and _ANNOUNCED.search(before):
        return Said.PHONE
    may_be_other = "#" in before or "\u2116" in before or not _SOME_OTHER.isdisjoint(words_before)
    return Said.OTHER if may_be_other and _NAMED_OTHERWISE.search(before) else Said.NOTHING
