"""The agent's command line, parsed by hand: argparse costs as much as the whole run."""

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
    try:
        return run(parse(arguments))
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
    wanted = {
        "timeout": seconds(options, default=STAYING if stays else 10.0),
        "root": tree(options),
        "vm": options.get("--vm"),
    }
    wanted["only"] = selected(options)
    wanted["measure"] = "--measure" in options
    if "--uninstall" in options:
        from agent.uninstall import uninstall

        return uninstall(print)
    if stays:
        from agent.service import service

        try:
            return service(options, lambda: told(collect(**wanted)), seconds)
        except ValueError as e:
            raise Usage(str(e))
    if "--capture" in options:
        return capture(options["--capture"], wanted)
    report = told(collect(**wanted))
    if "--text" in options or (sys.stdout.isatty() and "--json" not in options):
        from agent.text import text

        print(text(report))
    else:
        from agent.encode import encode

        print(encode(report))
    sys.stdout.flush()
    return 0


def told(report):
    """Return the report, after one line on standard error about what it proves."""
    from agent.summary import summary

    sys.stderr.write("nestproof: %s\n" % summary(report))
    sys.stderr.flush()
    return report


def capture(directory, wanted):
    """Record this machine below a new or empty directory; Usage when it is neither."""
    from agent.collector import collect as run_recorded
    from agent.record import keep_facts

    os.makedirs(directory, exist_ok=True)
    if os.listdir(directory):
        raise Usage("--capture %s is not empty" % directory)
    directory = os.path.abspath(directory)
    report = told(run_recorded(record=directory, **wanted))
    keep_facts(directory, report)
    print("recorded in %s; read it with --root %s" % (directory, directory))
    return 0


def seconds(options, name="--timeout", default=10.0, most=3600):
    """Return an option's number of seconds; Usage when it is none."""
    try:
        value = float(options.get(name, default))
    except ValueError:
        value = -1.0
    if not 0 < value <= most:
        raise Usage("%s wants seconds, more than 0 and at most %d, not %r" % (name, most, options[name]))
    return value


def tree(options):
    """Return the absolute --root directory or None; Usage when it is no directory."""
    root = options.get("--root")
    if root is None:
        return None
    if not os.path.isdir(root):
        raise Usage("--root %s is not a directory" % root)
    return os.path.abspath(root)


def selected(options):
    """Return the ids of --only, or None for all; Usage names an unknown one and those that come near."""
    if "--only" not in options:
        return None
    from agent.facts import PROBES

    known = [probe[0] for probe in PROBES]
    chosen = []
    for name in options["--only"].split(","):
        prefix = name if name.endswith(".") else None
        found = [each for each in known if each == name or (prefix and each.startswith(prefix))]
        found = found if name in found else [each for each in found if each != "proof.cost"]
        if not found:
            near = [each for each in known if each.split(".")[0] == name.split(".")[0]] or known
            raise Usage("no such fact: %s; there are %s" % (name, ", ".join(near)))
        chosen += [each for each in found if each not in chosen]
    return chosen
