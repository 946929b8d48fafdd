"""How figures read in messages."""


def counted(number: int, noun: str) -> str:
    """`1 example`, `2,000 examples`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
