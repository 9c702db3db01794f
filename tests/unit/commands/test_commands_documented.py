"""What the documents say exists: every link leads somewhere, every command line is one that this nestproof takes."""

import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nestproof import cli

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
INDENTED = re.compile(r"^    +(?:\$ )?(?:sudo )?(nestproof .*)$", re.MULTILINE)
AT_THE_START = re.compile(r"^(?:\$ )?(?:sudo )?(nestproof .*)$", re.MULTILINE)
IN_A_SENTENCE = re.compile(r"`(?:sudo )?(nestproof [^`]+)`")
BEHIND = re.compile(r"\s{2,}| #| >| \|")
"""What ends a command line: the remark that is set apart from it, or the shell."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(document: Path) -> set[str]:
    """The headings of a document, as they are linked to."""
    heads = re.findall(r"^#+ (.*)$", FENCED.sub("", document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in LINK.findall(FENCED.sub("", document.read_text())):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = document.parent / path if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_goal_of_make_is_there(document: Path) -> None:
    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^    |`)make ([a-z-]+)", document.read_text(), re.MULTILINE)) <= goals


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_line_of_a_document_is_taken(document: Path) -> None:
    text = document.read_text()
    lines = INDENTED.findall(text) + [line for block in FENCED.findall(text) for line in AT_THE_START.findall(block)]
    assert [fault for line in lines if (fault := fault_of(line))] == []
    named_only = [line for line in IN_A_SENTENCE.findall(text) if (fault := fault_of(line)) and "missing" not in fault]
    assert named_only == []


def test_every_command_line_of_a_help_text_is_taken() -> None:
    for name, command in commands(cli, "nestproof"):
        lines = AT_THE_START.findall(inspect.cleandoc(command.help or ""))
        assert [fault for line in lines if (fault := fault_of(line))] == []
        assert any(line.startswith(name) for line in lines) or name == "nestproof agent run", f"{name}: no example"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """A group and all commands below it, as they are called."""
    yield path, group
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def fault_of(line: str) -> str:
    """What is wrong with a command line; files that it names need not be there."""
    words = shlex.split(BEHIND.split(line, maxsplit=1)[0])[1:]
    command: click.Command | None = cli
    try:
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            _, command, words = command.resolve_command(click.Context(command), words)
        assert command is not None
        command.make_context("nestproof", words)
    except click.exceptions.Exit:  # --help and --version
        return ""
    except click.UsageError as e:
        said = e.format_message()
        return "" if "does not exist" in said else f"{line}: {said.lower()}"
    return ""


@pytest.mark.parametrize("line", ["nestproof chek", "nestproof check --formt json", "nestproof compare a b c  as well"])
def test_a_line_that_is_not_taken_is_found(line: str) -> None:
    assert fault_of(line)
