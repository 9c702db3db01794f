"""Sending and staying: what the options --send, --watch and --serve-port mean together."""

import os
import sys

from agent.channels.deliver import deliver, sender
from agent.channels.local import REPORT


def service(options, make_report, seconds):
    """Send once, or stay. Returns 0 when every channel got the report, 1 when not; ValueError names a bad channel."""
    names = [name for name in options.get("--send", "").split(",") if name]
    senders = [(name, sender(name, options.get("--token-file"), options.get("--ca-file"))) for name in names]
    every = seconds(options, "--every", 900.0, 1 << 31)
    if "--watch" not in options and "--serve-port" not in options:
        return 1 if deliver(make_report(), senders) else 0
    if "--watch" in options and "--serve-port" in options:
        serving = os.fork()  # two waits in two processes: neither can hold up the other
        if not serving:
            stay(lambda: serve(options["--serve-port"], make_report))
        stay_watching(make_report, senders, every, serving)
    if "--serve-port" in options:
        serve(options["--serve-port"], make_report)
    stay_watching(make_report, senders, every, None)
    return 0


def serve(name, make_report):
    """Serve the virtio-serial port for ever."""
    from agent.channels.virtio import serve as serve_port

    serve_port(name, make_report)


def stay(work):
    """Be a child that only does this work."""
    try:
        work()
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
