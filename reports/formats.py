"""Every format that a matrix can be printed in, by the name that the command line knows.

The table names functions instead of holding them: the command line lists the names without importing a printer, and
who prints JSON does not pay for the template engine.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.matrix import Matrix

FORMATS = {
    "text": "reports.text:matrix_text",
    "json": "reports.jsonout:matrix_json",
    "csv": "reports.csvout:matrix_csv",
    "html": "reports.html:render",
    "markdown": "reports.markdown:matrix_markdown",
    "junit": "reports.junit:matrix_junit",
    "sarif": "reports.sarif:matrix_sarif",
    "prometheus": "reports.prometheus:matrix_prometheus",
    "nfd": "reports.nfd:matrix_nfd",
}
"""Name -> `module:function`, a pure function from a Matrix to its text."""


class FormatError(ValueError):
    """The format cannot say this; the message is one line that tells why."""


def render(form: str, matrix: "Matrix") -> str:
    """The matrix in a format of FORMATS. Raises FormatError."""
    module, function = FORMATS[form].split(":")
    return str(getattr(import_module(module), function)(matrix))
