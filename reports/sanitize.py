"""The one place where foreign text is made harmless before a person sees it.

Host names, kernel log lines and whole reports come from machines that may lie. Escape sequences, bidirectional
overrides and invisible characters can make a terminal or a page show something else than what was said. They are
replaced by U+FFFD, never dropped: a reader sees that something stood there.
"""

import unicodedata

MAX_TEXT = 4096
"""Characters of one piece of evidence or prose that are shown."""

MAX_NAME = 96
"""Characters of a machine's name that are shown; a DNS name of a sane host is shorter."""

# Cc control, Cf format (bidi, zero width), Cs lone surrogate, Co private use, Cn unassigned, Zl/Zp line separators.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Zero-width non-joiner and joiner: Persian, Indic scripts and emoji are misspelt without them.
_LETTERS = frozenset("‌‍")


def sanitize(text: str, limit: int = MAX_TEXT, *, newlines: bool = False) -> str:
    """The text with nothing in it that a terminal or a browser would obey, at most `limit` characters of it.

    Line feeds and tabs become spaces unless `newlines` asks to keep the lines. What was cut is said.
    """
    cut = len(text) - limit
    shown = text[:limit] if cut > 0 else text
    shown = shown.replace("\r\n", "\n").replace("\t", " ")
    if not newlines:
        shown = shown.replace("\n", " ")
    if not (shown.isascii() and shown.replace("\n", "").isprintable()):
        shown = "".join(c if _harmless(c) else "�" for c in shown)
    return f"{shown}… ({len(text)} characters)" if cut > 0 else shown


def _harmless(char: str) -> bool:
    return char == "\n" or char in _LETTERS or unicodedata.category(char) not in _UNSEEN
