"""A real container registry on this machine, for tests: Debian's docker-registry, with or without TLS and logins."""

import hashlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

USER, PASSWORD = "puller", "s3cret"
HTPASSWD = "puller:$2b$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n"
"""bcrypt, the only form that it takes, with the least work."""
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """Pushes what a test wants to pull."""

    def __init__(self, host: str, *, scheme: str = "http", ca: Path | None = None, login: bool = False) -> None:
        self.host = host
        self.url = f"{scheme}://{host}"
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = str(ca) if ca else True
        if login:
            self._http.auth = (USER, PASSWORD)

    def push(self, repository: str, tag: str, *layers: bytes, kind: str = LAYER) -> None:
        entries = [self._layer(repository, data, kind) for data in layers]
        config = self._layer(repository, b"{}", "application/vnd.docker.container.image.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": entries}
        url = f"{self.url}/v2/{repository}/manifests/{tag}"
        self._http.put(url, json.dumps(manifest), headers={"Content-Type": MANIFEST}, timeout=30).raise_for_status()

    def _layer(self, repository: str, data: bytes, kind: str) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        begun = self._http.post(f"{self.url}/v2/{repository}/blobs/uploads/", timeout=30)
        begun.raise_for_status()
        self._http.put(begun.headers["Location"], data, params={"digest": digest}, timeout=30).raise_for_status()
        return {"mediaType": kind, "size": len(data), "digest": digest}


@contextmanager
def start(
    place: Path, *, login: bool = False, certificate: tuple[Path, Path, Path] | None = None
) -> Iterator[Registry]:
    """`certificate`: the authority's, the server's and its key."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    (place / "htpasswd").write_text(HTPASSWD)
    http: dict[str, object] = {"addr": f"127.0.0.1:{port}", "secret": "of-this-test"}
    if certificate:
        http["tls"] = {"certificate": str(certificate[1]), "key": str(certificate[2])}
    config: dict[str, object] = {
        "version": 0.1, "storage": {"filesystem": {"rootdirectory": str(place / "storage")}}, "http": http,
        "log": {"accesslog": {"disabled": True}, "level": "error"},
    }  # fmt: skip
    if login:
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(place / "htpasswd")}}
    (place / "config.yml").write_text(json.dumps(config))
    environment = {"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"}
    with (
        (place / "log").open("wb") as log,
        subprocess.Popen(
            ["docker-registry", "serve", str(place / "config.yml")], stdout=log, stderr=log, env=environment
        ) as process,
    ):
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if process.poll() is not None or probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            assert process.poll() is None, (place / "log").read_text()
            scheme, ca = ("https", certificate[0]) if certificate else ("http", None)
            yield Registry(f"localhost:{port}", scheme=scheme, ca=ca, login=login)
        finally:
            process.terminate()
            process.wait(30)
