"""How cloud-init tells what user-data is: for the linter, and for the seed, which has to say the same."""

KINDS = (
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("## template: jinja", "text/jinja2"),
    ("#!", "text/x-shellscript"),
)
"""Its documentation, "user-data formats": the start in any case, after blanks; the first match counts."""
MIME = "a MIME message"


def kind_of(text: str) -> str:
    """The content type, `MIME` for a message that says so itself, and nothing for what cloud-init ignores."""
    if "mime-version:" in text[:4096].lower():  # cloud-init's own test
        return MIME
    start = text.lstrip()[:64].lower()
    return next((kind for begin, kind in KINDS if start.startswith(begin)), "")
