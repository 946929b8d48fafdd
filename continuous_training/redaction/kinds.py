"""The kinds of private text, named as in the placeholders and in the settings."""

from typing import Final

# In the order in which they win a tie. NAME is found by a function of the project's own; see rules/names.py.
KINDS: Final = ("SECRET", "URL", "EMAIL", "IBAN", "CARD", "IP", "HANDLE", "PHONE", "NAME")
SECRET, URL, EMAIL, IBAN, CARD, IP, HANDLE, PHONE, NAME = KINDS
