"""Files that are written whole, by many at once too."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hostcheck.files import write_whole


def test_many_threads_write_one_file_and_one_of_them_is_last(tmp_path: Path) -> None:
    file = tmp_path / "below" / "state.json"
    texts = [bytes([number]) * 100_000 for number in range(32)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda text: write_whole(file, text), texts))
    assert file.read_bytes() in texts
    assert list(file.parent.iterdir()) == [file]


def test_a_link_stays_and_leads_to_what_was_written(tmp_path: Path) -> None:
    link, there = tmp_path / "link", tmp_path / "there"
    link.symlink_to("there")
    for text in (b"made", b"made anew"):
        write_whole(link, text)
        assert (link.is_symlink(), there.read_bytes()) == (True, text)


def test_a_pipe_is_written_into_and_not_replaced(tmp_path: Path) -> None:
    pipe, heard = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write_whole(pipe, b"text")
    reader.join()
    assert (heard, pipe.is_fifo(), list(tmp_path.iterdir())) == ([b"text"], True, [pipe])


def test_a_standard_stream_is_written_into(tmp_path: Path) -> None:
    """As root a rename would put a file in the place of /dev/stdout, for all of the machine."""
    code = (
        "from pathlib import Path; from hostcheck.files import write_whole; write_whole(Path('/proc/self/fd/1'), b'x')"
    )
    with (tmp_path / "out").open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True)
    assert (tmp_path / "out").read_bytes() == b"x"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"x"
