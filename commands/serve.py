"""`nestproof serve`: the collector, and a live matrix."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from commands.failures import Failure
from commands.options import store_option
from commands.output import Terminal
from hostcheck.exits import Exit

if TYPE_CHECKING:
    import uvicorn

DEFAULT = "127.0.0.1:8443"
REFRESH_SECONDS = 30
"""After this the page asks again."""
CONCURRENT = 500
"""Connections at a time: more are told to come back later."""


@click.command()
@click.option("--listen", default=DEFAULT, show_default=True, metavar="ADDRESS:PORT", help="Where to listen.")
@click.option("--cert", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="TLS certificate; default: a self-signed one, made once.")  # fmt: skip
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Its key.")
@click.option("--name", "names", multiple=True, metavar="HOST",
              help="A name or address by which machines reach this one, for the self-signed certificate.")  # fmt: skip
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="What readers of the page are asked for; default: one that is made once. On a loopback address "
              "nothing is asked unless this is given.")  # fmt: skip
@store_option
def serve(listen: str, cert: Path | None, key: Path | None, names: tuple[str, ...], password_file: Path | None) -> int:
    """Take the reports that agents send over HTTPS, and show everything known as a live page.

    Each machine sends with a token of its own, which fits no other machine. A report is answered once it is on disk.

    \b
    nestproof serve                                        on this machine only, to look at
    nestproof serve --listen 0.0.0.0:8443 --name np.example
    nestproof agent cloud-init --vm default/ci1 --collector https://np.example:8443
    nestproof agent token --host kvm01                     for an agent on a host

    POST /report takes reports; / is the page, /matrix.json and /metrics are the same for programs, /health says that it
    is up.
    """
    try:
        import uvicorn

        from reports.collector.app import application
    except ModuleNotFoundError as e:
        raise Failure(f"{e.name} is not installed", hint="pip install 'nestproof[server]'") from e
    from commands.collecting import own_certificate, password, tokens
    from commands.judging import chains
    from commands.policies import policy_in
    from commands.recording import Recorder, opened_store, printed
    from reports.collector.intake import Intake
    from reports.html import render as page

    address, port = _address(listen)
    if (cert is None) != (key is None):
        raise Failure("--cert and --key belong together")
    terminal = Terminal()
    certificate, private = (cert, key) if cert and key else own_certificate((*names, *_reachable(address)))
    asked = None if _loopback(address) and password_file is None else password(password_file)
    recorder = Recorder(terminal)
    policy = policy_in()
    with opened_store() as store:

        def render(form: str) -> str:
            matrix = recorder.matrix(chains(store.latest(), policy))
            return page(matrix, every=REFRESH_SECONDS) if form == "html" else printed(form, matrix)

        app = application(Intake(store, tokens()), render, terminal.note, asked)
        config = uvicorn.Config(
            app, host=address, port=port, ssl_certfile=certificate, ssl_keyfile=private, log_level="warning",
            access_log=False, limit_concurrency=CONCURRENT, timeout_keep_alive=5, timeout_graceful_shutdown=10,
            server_header=False, lifespan="off",
        )  # fmt: skip
        terminal.note(f"collecting at https://{listen}/report, showing at https://{listen}/; Ctrl-C ends it")
        return _run(uvicorn.Server(config), listen)


def _run(server: uvicorn.Server, listen: str) -> int:
    """Serve until a signal. Raises Failure when the address is not to be had."""
    try:
        server.run()
    except KeyboardInterrupt:
        return Exit.OK
    except (OSError, SystemExit) as e:
        raise Failure(f"cannot listen on {listen}: {e}") from e
    if not server.started:
        raise Failure(f"cannot listen on {listen}", hint="is another program there? --listen ADDRESS:PORT")
    return Exit.OK


def _address(listen: str) -> tuple[str, int]:
    address, _, port = listen.rpartition(":")
    if not address or not port.isdecimal() or not 0 <= int(port) < 65536:
        raise Failure(f"--listen {listen}: not ADDRESS:PORT, such as {DEFAULT} or [::]:8443")
    return address.strip("[]"), int(port)


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _reachable(address: str) -> tuple[str, ...]:
    """The address as a name for a certificate; none where it stands for every address."""
    return () if address in ("0.0.0.0", "::", "localhost") else (address,)  # noqa: S104 - compared, not bound
