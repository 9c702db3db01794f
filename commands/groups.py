"""Groups of commands: their list tells each one's purpose in full, and a misspelt name gets the one that was meant."""

import click


class Group(click.Group):
    """A click group whose list cuts nothing off."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of every command, over as many lines as it needs."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, _purpose(command)) for name, command in commands if command is not None])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` begins with. Raises UsageError, with the name that comes near."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), 1)
            raise click.UsageError(f"no such command {args[0]!r}" + (f"; did you mean {near[0]}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. A pipe that breaks is a failure like others: click would end the run without a word."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as e:
            raise RuntimeError(f"something that was being written to went away: {e}") from e


def _purpose(command: click.Command) -> str:
    """The first sentence of a command's help."""
    words = (command.help or "").split("\n\n")[0].split()
    end = next((at for at, word in enumerate(words) if word.endswith(".") and not word.endswith("...")), len(words))
    return " ".join(words[: end + 1])
