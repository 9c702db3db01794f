"""What a remote Python runs when the machine is to be recorded too. Runs there, streamed; is not part of the file."""

import io
import os
import shutil
import sys
import tarfile
import tempfile
from hashlib import sha256

from agent import collect
from agent.collector import collect as collect_recorded
from agent.frame import frame
from agent.record import keep_facts

ROOM = 64 * 1024 * 1024  # bytes that have to be free: a machine whose disk fills up while it is looked at reads wrongly
MOST = 8 * 1024 * 1024  # bytes of a packed record that are sent


def send(timeout, measure):
    """Write the record of this machine and then its report, each framed; without room only the report."""
    out = sys.stdout.buffer
    directory = None
    try:
        directory = tempfile.mkdtemp(prefix="nestproof-record-")
        room = os.statvfs(directory)
        if room.f_bavail * room.f_frsize < ROOM:
            raise OSError("too little room in %s" % tempfile.gettempdir())
        report = collect_recorded(None, timeout, None, measure, None, record=directory)
        keep_facts(directory, report)
        data = packed(directory)
        if len(data) > MOST:
            raise OSError("a record of %d bytes" % len(data))
        out.write(("NESTPROOF-RECORD/1 %d %s\n" % (len(data), sha256(data).hexdigest())).encode("ascii") + data)
    except OSError as e:
        sys.stderr.write("nestproof: not recorded: %s\n" % e)
        report = collect(timeout=timeout, measure=measure)
    finally:
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
    out.write(frame(report))
    out.flush()


def packed(directory):
    """Return what is below ``directory`` as a compressed tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        tar.add(directory, arcname=".")
    return stream.getvalue()
