"""YAML text to trees. YAML 1.2: `On` is a string and `010` is ten; what is no YAML becomes one Problem at its place."""

from collections.abc import Iterator

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import Node, ScalarNode
from ruamel.yaml.reader import ReaderError

from provision.manifests.nodes import DEPTH_LIMIT, Refused, build, is_null, origin
from provision.manifests.sources import Source
from provision.manifests.text import shown
from provision.manifests.tree import Tree
from provision.model import Origin, Problem, Severity


def parse(source: Source) -> Iterator[Tree | Problem]:
    """Every document of a source that is not empty; after text that is no YAML, one Problem and nothing more."""
    yaml = YAML(typ="safe", pure=True)
    # An anchor may be used again (YAML 1.2.2, 7.1); ruamel.yaml would warn on standard error.
    yaml.composer.warn_double_anchors = False
    lines = source.text.splitlines()
    try:
        for node in yaml.compose_all(source.text):
            if node is None or (isinstance(node, ScalarNode) and is_null(node)):
                continue
            yield _build(source.name, lines, node)
    except RecursionError:
        yield _problem(Origin(source.name, 1, 1), f"is nested deeper than {DEPTH_LIMIT} levels")
    except MarkedYAMLError as error:
        yield _syntax_problem(source, error)
    except ReaderError as error:
        message = f"holds a character that YAML forbids: {_code(error.character)}"
        yield _problem(_position(source, error.position), message)
    except (YAMLError, ValueError, OverflowError) as error:
        # Bare errors come of numbers out of range: "\\UFFFFFFFF", a version of thousands of digits.
        yield _problem(Origin(source.name, 1, 1), f"is not YAML: {shown(str(error))}")


def _build(file: str, lines: list[str], node: Node) -> Tree | Problem:
    try:
        return build(file, lines, node)
    except Refused as refused:
        place = origin(file, refused.node)
        return _problem(place, f"{refused}{_of_a_template(lines[place.line - 1])}", "yaml-value")


def _position(source: Source, index: int) -> Origin:
    before = source.text[:index]
    return Origin(source.name, before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1)


def _syntax_problem(source: Source, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return _problem(Origin(source.name, 1, 1), f"is not YAML: {shown(str(error.problem))}")
    line = next(iter(source.text.splitlines()[mark.line :]), "")
    indent = line[: len(line) - len(line.lstrip())]
    if "\t" in indent:
        place = Origin(source.name, mark.line + 1, indent.index("\t") + 1)
        return _problem(place, "a tab indents this line; YAML takes only spaces")
    context = f" {shown(str(error.context))}" if error.context else ""
    message = f"is not YAML: {shown(str(error.problem))}{context}{_of_a_template(line)}"
    return _problem(Origin(source.name, mark.line + 1, mark.column + 1), message)


def _of_a_template(line: str) -> str:
    return "; {{ belongs to a template: give what it renders, as of `helm template`" if "{{" in line else ""


def _code(character: object) -> str:
    return f"U+{ord(character):04X}" if isinstance(character, str) else f"U+{int(str(character)):04X}"


def _problem(origin: Origin, message: str, rule: str = "yaml") -> Problem:
    return Problem(origin, Severity.ERROR, "", message, rule)
