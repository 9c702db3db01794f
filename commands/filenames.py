"""Which words on the command line can only be meant as a file."""

FILES = (".json", ".yaml", ".yml", ".zst", ".gz", ".tar")
"""Endings of files; no host is called so."""


def is_file_name(word: str) -> bool:
    """It is the name of a file, whether there is one or not."""
    return "://" not in word and word.lower().endswith(FILES)
