"""The agent's command line, parsed by hand: argparse costs as much as the whole run.

What only some options need has modules of its own, which are compiled only then.
"""

import os
import sys

from agent import VERSION, collect

FLAGS = ("--json", "--text", "--list", "--measure", "--watch", "--uninstall", "--help", "-h", "--version")
VALUES = (
    "--only",
    "--timeout",
    "--root",
    "--capture",
    "--vm",
    "--serve-port",
    "--send",
    "--token-file",
    "--ca-file",
    "--every",
)
REPEATED = ("--only", "--send")

# A guest that is still booting, on a busy or an emulated CPU, needs more than the 10 s of somebody who waits
STAYING = 120.0


class Usage(Exception):
    """A command line that makes no sense; its text says why."""


def main(arguments):
    """Run the agent; 0 a report was made, 1 it was not, 2 the command line is wrong, 130 interrupted."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        settle()
    try:
        code = run(parse(arguments))
        sys.stdout.flush()
        return code
    except Usage as e:
        sys.stderr.write("nestproof-agent: %s (see --help)\n" % e)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone; Python must not try again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as e:
        sys.stderr.write("nestproof-agent: cannot go on: %s: %s\n" % (type(e).__name__, e))
        return 1


def settle():
    """Give the run the streams that it was started without; else the first file opened would become one of them."""
    number = 0
    while number < 3:
        number = os.open(os.devnull, os.O_RDWR)
    os.close(number)
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115 - for good
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def parse(arguments):
    """Return {option: value} of the arguments; Usage when one is unknown or lacks its value."""
    options = {}  # type: dict
    todo = list(arguments)
    while todo:
        name, equals, value = todo.pop(0).partition("=")
        if name in FLAGS and not equals:
            options[name] = True
        elif name in VALUES:
            if not equals:
                if not todo:
                    raise Usage("%s needs a value" % name)
                value = todo.pop(0)
            options[name] = options[name] + "," + value if name in REPEATED and name in options else value
        else:
            raise Usage("no such option: %s" % name)
    return options


def run(options):
    """Do what the options say."""
    if "--help" in options or "-h" in options:
        from agent.usage import HELP

        print(HELP, end="")
        return 0
    if "--version" in options:
        print("nestproof-agent " + VERSION)
        return 0
    if "--list" in options:
        from agent.facts import PROBES

        print("\n".join("%-24s%s" % (probe[0], probe[3]) for probe in PROBES))
        return 0
    stays = "--watch" in options or "--serve-port" in options or "--send" in options
    wanted = {"vm": options.get("--vm"), "measure": "--measure" in options, "timeout": STAYING if stays else 10.0}
    if "--timeout" in options or "--root" in options or "--only" in options:
        from agent.values import wanted_by

        wanted.update(wanted_by(options))
    if "--uninstall" in options:
        from agent.uninstall import uninstall

        return uninstall(print)
    if stays:
        from agent.service import service
        from agent.values import seconds

        try:
            return service(options, lambda: told(collect(**wanted)), seconds)
        except ValueError as e:
            raise Usage(str(e))
    if "--capture" in options:
        from agent.record import capture

        return capture(options["--capture"], wanted, told)
    report = told(collect(**wanted))
    if "--text" in options or (sys.stdout.isatty() and "--json" not in options):
        from agent.text import text

        print(text(report))
    else:
        from agent.encode import encode

        print(encode(report))
    return 0


def told(report):
    """Return the report, after one line on standard error about what it proves."""
    from agent.summary import summary

    try:
        sys.stderr.write("nestproof: %s\n" % summary(report))
        sys.stderr.flush()
    except OSError:  # nobody can be told; the report counts all the same
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    return report
