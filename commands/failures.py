"""How every run ends: an exit code, and on failure one line that says what, where, why and what to do."""

import sys

import click

from hostcheck.exits import Exit


class Failure(Exception):
    """An expected failure with its exit code; `hint` is the next step for the user."""

    def __init__(self, message: str, *, code: Exit = Exit.USAGE, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint


def run(cli: click.Group, arguments: list[str]) -> int:
    """Run a click group and turn whatever happens into an exit code."""
    debug = "--debug" in arguments
    try:
        result = cli.main(args=arguments, prog_name="nestproof", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as e:
        click.echo(e.format_message(), err=True)
        return Exit.USAGE
    except click.ClickException as e:
        _trace(debug)
        complain(*_usage(e))
        return e.exit_code
    except (click.Abort, KeyboardInterrupt):
        _trace(debug)
        complain("interrupted")
        return Exit.INTERRUPTED
    except Failure as e:
        _trace(debug)
        complain(str(e), e.hint)
        return e.code
    except Exception as e:
        _trace(debug)
        complain(f"internal error: {type(e).__name__}: {e}", "" if debug else "run it again as: nestproof --debug ...")
        return Exit.INTERNAL
    return result if isinstance(result, int) else Exit.OK


def complain(message: str, hint: str = "") -> None:
    """One line on stderr, and the hint on a second one."""
    click.echo(f"nestproof: {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)


def _usage(error: click.ClickException) -> tuple[str, str]:
    """Message and hint for a command line that click does not take."""
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"`{context.command_path} --help` tells how" if context is not None else ""
    if isinstance(error, click.NoSuchOption):
        from difflib import get_close_matches

        near = get_close_matches(error.option_name, error.possibilities or (), 1)
        message = f"no such option {error.option_name}" + (f"; did you mean {near[0]}?" if near else "")
        if error.option_name == "--debug":
            hint = "write it before the command, as in `nestproof --debug check`"
    message = message.replace("a valid float range", "a number").replace("a valid integer range", "a whole number")
    return message[:1].lower() + message[1:], hint


def _trace(debug: bool) -> None:
    if debug:
        import traceback

        traceback.print_exc()
