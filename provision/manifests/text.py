"""Words for people: the user's own values made safe to print, and near matches for what they misspelt."""

from collections.abc import Iterable


def shown(value: str, limit: int = 80) -> str:
    """A value fit for a terminal: one line, no control or direction characters, cut at `limit` characters."""
    text = value[:limit] + ("…" if len(value) > limit else "")
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)


def near(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """` (did you mean X?)` when a known word is near, else nothing; upper and lower case count as near."""
    from difflib import get_close_matches  # late: few words are misspelt

    words = list(known)
    by_case = {w.lower(): w for w in words}
    # The matcher is quadratic in the length of the word, which is the user's.
    matches = get_close_matches(word[:64].lower(), by_case, n=1, cutoff=cutoff)
    return f" (did you mean {by_case[matches[0]]}?)" if matches else ""


def listed(words: Iterable[str], joint: str = "or") -> str:
    """`a, b or c`."""
    *rest, last = list(words)
    return f"{', '.join(rest)} {joint} {last}" if rest else last
