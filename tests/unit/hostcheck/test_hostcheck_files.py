"""Files that are written whole, by many at once too."""

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
