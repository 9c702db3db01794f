"""Options that several sub-commands share."""

from collections.abc import Callable, Collection
from math import isfinite
from pathlib import Path
from typing import Any

import click

from reports.formats import FORMATS

STORE = "nestproof.store"
"""Key of the store's place among what a run knows of itself (click.Context.meta)."""


class ReportTarget(click.ParamType[tuple[str, Path]]):
    """`FORMAT=PATH`."""

    name = "FORMAT=PATH"

    def __init__(self, forms: Collection[str]) -> None:
        self._forms = forms

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        form, separator, path = str(value).partition("=")
        if not separator or not path:
            self.fail(f"{value!r} is not FORMAT=PATH, such as html=matrix.html", param, ctx)
        if form not in self._forms:
            self.fail(f"there is no format {form!r}; there are {', '.join(self._forms)}", param, ctx)
        return form, Path(path)


class Finite(click.FloatRange):
    """A number within its range: `nan` is within none, and `inf` seconds never end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not isfinite(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def reports_option_of(forms: Collection[str]) -> Callable[..., Any]:
    """`--report FORMAT=PATH`, repeatable."""
    return click.option(
        "--report", "reports", type=ReportTarget(forms), multiple=True, metavar="FORMAT=PATH",
        help=f"Also write the result there; repeatable. FORMAT: {', '.join(forms)}.",
    )  # fmt: skip


def format_option_of(forms: Collection[str]) -> Callable[..., Any]:
    """`--format FORMAT`: of what goes to stdout."""
    return click.option(
        "--format", "form", type=click.Choice(list(forms)), default="text", show_default=True,
        help="What to print on stdout.",
    )  # fmt: skip


reports_option, format_option = reports_option_of(FORMATS), format_option_of(FORMATS)
"""Of what prints a matrix."""


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--store FILE|URL`: kept in the context, where commands.recording finds it."""

    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value:
            from reports.store.place import has_password

            if has_password(value):
                raise click.BadParameter(
                    "a password on the command line can be read by everyone on this machine: "
                    "put it into PGPASSWORD, ~/.pgpass or NESTPROOF_STORE", ctx, param,
                )  # fmt: skip
        ctx.meta[STORE] = value

    return click.option(
        "--store", metavar="FILE|URL", expose_value=False, callback=remember,
        help="Where reports are kept: a file, or postgresql://[USER@]HOST/DATABASE. Default: NESTPROOF_STORE, else "
        "your state directory.",
    )(function)  # fmt: skip


def files_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """`FILE...`: manifests."""
    return click.argument("files", nargs=-1, required=True, metavar="FILE...")(function)


def connect_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-c/--connect URI`: stands in for the Provider documents."""
    return click.option(
        "-c", "--connect", metavar="URI",
        help="Endpoint to use instead of the manifests' Provider: a libvirt URI or alias, vsphere://host or proxmox://host.",
    )(function)  # fmt: skip


def parallel_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--parallel N`."""
    return click.option(
        "--parallel", type=click.IntRange(1, 256), default=4, show_default=True, metavar="N",
        help="How many VMs to work on at the same time.",
    )(function)  # fmt: skip
