"""The book of remedies: every one has a stable id and a general form; a finding gets it filled in for its machine."""

import re
import shlex
from collections.abc import Mapping
from string import Formatter

import msgspec

from hostcheck.facts import Facts
from hostcheck.model import Needs, Remedy, Where
from hostcheck.remedies.proved import PROVED

WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@+\[\]-]*")
PATH = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.:@+-]*)+")
PATHS = ("source",)
"""Places that take a path; all others take one word."""


def _safe(place: str, value: str) -> str:
    """The value for a command. Reports are hostile: what is more than a word or a path is left to the reader."""
    shape = PATH if place in PATHS else WORD
    return shlex.quote(value) if shape.fullmatch(value) else place.upper()


class Recipe(msgspec.Struct, frozen=True):
    """A remedy with {places} for what differs between machines."""

    id: str
    title: str
    where: Where
    commands: tuple[str, ...]
    then: str
    needs: Needs
    risk: str
    applies: str

    def fill(self, facts: Facts, **values: str) -> Remedy:
        """The remedy for one machine."""
        where = self.where
        if where is Where.HOST_SHELL and facts.report.subject.vm:
            where = Where.GUEST_SHELL
        return self._remedy(where, values, {key: _safe(key, value) for key, value in values.items()})

    @property
    def general(self) -> Remedy:
        """With every place as a word in capitals, for reading."""
        texts = (self.title, self.then, *self.commands)
        places = {place for text in texts for _, place, _, _ in Formatter().parse(text) if place}
        words = {place: place.upper() for place in places}
        return self._remedy(self.where, words, words)

    def _remedy(self, where: Where, values: Mapping[str, str], quoted: Mapping[str, str]) -> Remedy:
        return Remedy(
            self.title.format_map(values),
            where,
            tuple(command.format_map(quoted) for command in self.commands),
            self.then.format_map(values),
            PROVED.get(self.id, ""),
            self.id,
            self.needs,
            self.risk,
            self.applies,
        )


_book: dict[str, Recipe] = {}


def recipe(
    recipe_id: str,
    title: str,
    *commands: str,
    where: Where = Where.HOST_SHELL,
    then: str = "",
    needs: Needs = Needs.NOTHING,
    risk: str = "",
    applies: str = "",
) -> Recipe:
    """Enter a remedy into the book. HOST_SHELL is a shell on the machine that was judged."""
    if recipe_id in _book:
        raise ValueError(f"two remedies are called {recipe_id}")
    _book[recipe_id] = Recipe(recipe_id, title, where, commands, then, needs, risk, applies)
    return _book[recipe_id]


def book() -> Mapping[str, Recipe]:
    """Every remedy by its id, in the order of ids."""
    from hostcheck.remedies import arch, device, firmware, hide, modules, plumbing, prerequisites, rivals, vm  # noqa: F401 - importing registers

    return dict(sorted(_book.items()))
