"""Every format that a matrix can be printed in, by the name that the command line knows."""

from collections.abc import Callable

from reports.jsonout import matrix_json
from reports.markdown import matrix_markdown
from reports.matrix import Matrix
from reports.text import matrix_text


def _html(matrix: Matrix) -> str:
    from reports.html import render  # the template engine takes 40 ms to import: only who wants a page pays

    return render(matrix)


FORMATS: dict[str, Callable[[Matrix], str]] = {
    "text": matrix_text,
    "json": matrix_json,
    "html": _html,
    "markdown": matrix_markdown,
}
