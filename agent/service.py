"""Sending and staying: what the options --send, --watch and --serve-port mean together."""

import gc
import os
import sys

from agent.channels.deliver import deliver, sender
from agent.channels.local import REPORT
from agent.channels.virtio import serve


def service(options, make_report, seconds):
    """Send once, or stay. Returns 0 when every channel got the report, 1 when not; ValueError names a bad channel."""
    gc.enable()
    names = [name for name in options.get("--send", "").split(",") if name]
    senders = [(name, sender(name, options.get("--token-file"), options.get("--ca-file"))) for name in names]
    every = seconds(options, "--every", 900.0, 1 << 31)
    if "--watch" not in options and "--serve-port" not in options:
        return 1 if deliver(make_report(), senders) else 0
    if "--watch" in options and "--serve-port" in options:
        parent = os.getpid()
        serving = os.fork()  # two waits in two processes: neither can hold up the other
        if not serving:
            serve_beside(options["--serve-port"], make_report, parent)
        stay_watching(make_report, senders, every, serving)
    if "--serve-port" in options:
        serve(options["--serve-port"], make_report, lambda: None)
    stay_watching(make_report, senders, every, None)
    return 0


class ParentGone(Exception):
    """The watching process has ended; whoever stopped it wants the serving one stopped too."""


def serve_beside(name, make_report, parent):
    """Be the child that serves the port as long as its parent lives. Does not return."""

    def check():
        if os.getppid() != parent:
            raise ParentGone

    try:
        serve(name, make_report, check)
    except ParentGone:
        pass
    except Exception as e:
        sys.stderr.write("nestproof-agent: %s: %s\n" % (type(e).__name__, e))
    finally:
        os._exit(1)


def stay_watching(make_report, senders, every, serving):
    """Watch for ever; the file is always written. Ends, to be started again, when the serving child has died."""
    from agent.watch import watch

    file = ("file:" + REPORT, sender("file:" + REPORT, None, None))
    chosen = senders if any(name == file[0] for name, _ in senders) else [file] + senders

    def send(report):
        return not deliver(report, chosen)

    def check():
        if serving and os.waitpid(serving, os.WNOHANG)[0]:
            raise OSError("the process that serves the virtio-serial port has ended")

    watch(make_report, send, every, check)
