"""How an OVA is fetched before vSphere hears of it, from a real HTTP server."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from vm_factory import IMAGE

from provision.model import HttpRequest, ImageSpec
from provision.provider import ProviderError
from provision.providers.vsphere.ova import Wanted, import_ova


class Guarded(BaseHTTPRequestHandler):
    """Gives something that is no OVA, to who has the key."""

    def do_GET(self) -> None:
        known = self.headers.get("X-Key") == "open" and self.headers.get("Authorization") == "Bearer sesame"
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", "4" if known else "0")
        self.end_headers()
        self.wfile.write(b"text" * known)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NESTPROOF_CACHE", str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/a.ova"
        server.shutdown()


@pytest.mark.parametrize(
    ("request_", "says"),
    [(HttpRequest({"X-Key": "open"}, token="sesame"), "it is no OVA"), (None, "401")],
)
def test_a_download_brings_its_headers_and_login(url: str, request_: HttpRequest | None, says: str) -> None:
    """Those of source.http used to be left out."""
    image = ImageSpec("debian", None, url, "", None, IMAGE, request=request_)
    nobody: Any = None  # asked only after the file is there
    with pytest.raises(ProviderError, match=says):
        import_ova(nobody, image, Wanted("debian", {}), nobody, nobody, lambda _: None)
