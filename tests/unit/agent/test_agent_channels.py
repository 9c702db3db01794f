"""Frames, and the serving of a port; a socket pair behaves as the port does once the host is there."""

import hashlib
import json
import os
import socket
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.channels import virtio
from agent.frame import frame


@given(st.dictionaries(st.text(), st.text()))
def test_a_frame_says_its_length_and_digest(report: dict[str, str]) -> None:
    data = frame(report)
    head, _, rest = data.partition(b"\n")
    mark, length, digest = head.decode().split(" ")
    assert mark == "NESTPROOF-REPORT/1"
    assert len(rest) == int(length) + 1
    assert rest.endswith(b"\n")
    assert hashlib.sha256(rest[:-1]).hexdigest() == digest
    assert json.loads(rest) == report


def test_sends_all_to_a_slow_reader() -> None:
    guest, host = socket.socketpair()
    with guest, host:
        guest.setblocking(False)
        data = os.urandom(1 << 20)
        got = bytearray()

        def read() -> None:
            while len(got) < len(data):
                got.extend(host.recv(4096))

        reader = threading.Thread(target=read)
        reader.start()
        assert virtio.send(guest.fileno(), data)
        reader.join(30)
    assert bytes(got) == data


def test_gives_up_on_a_host_that_leaves() -> None:
    guest, host = socket.socketpair()
    with guest:
        guest.setblocking(False)
        host.close()
        assert not virtio.send(guest.fileno(), b"x" * 100)
        virtio.wait_for_leave(guest.fileno(), 60)


def test_anything_sent_asks_for_another_report() -> None:
    guest, host = socket.socketpair()
    with guest, host:
        guest.setblocking(False)
        host.send(b"\n")
        virtio.wait_for_leave(guest.fileno(), 60)
        with pytest.raises(BlockingIOError):
            guest.recv(1)


def test_a_host_that_does_not_read_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtio, "STALLED", 0.05)
    guest, host = socket.socketpair()
    with guest, host:
        guest.setblocking(False)
        assert not virtio.send(guest.fileno(), b"x" * (8 << 20))


def test_a_port_without_udev_is_not_invented() -> None:
    assert virtio.find("no.such.port") == "/dev/virtio-ports/no.such.port"
    assert virtio.find("../../etc/passwd") == "/dev/virtio-ports/../../etc/passwd"


def test_a_closed_descriptor_is_a_port_that_is_gone(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    os.close(fd)
    with pytest.raises(OSError, match="the port is gone"):
        virtio.events(fd, 1, 0)
