"""The command ``python -m deepfake serve``: the detector over HTTP, in a process of its own."""

from __future__ import annotations

import argparse
import ipaddress
import socket
import sys
from typing import Any

from deepfake.cli.options import positive, whole_number
from deepfake.errors import UserError


def add_serve(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "serve", help="serve the HTTP API: predict, video, report and more under /api/v1"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=_port, default=8600, help="default: 8600; 0 takes a free one")
    parser.add_argument(
        "--requests-per-minute",
        type=positive,
        default=60,
        metavar="N",
        help="requests per minute from one address (default: 60)",
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default="text",
        help="of standard error: text tells of faults alone, json of every request too (default: text)",
    )
    parser.set_defaults(command=run_serve)


def run_serve(options: argparse.Namespace) -> int:
    """Serve until interrupted; returns the exit status 0.

    Raises:
        UserError: there is no detector, the key is set but empty, or the address cannot be used.
    """
    import uvicorn
    from uvicorn.config import LOGGING_CONFIG

    from deepfake.api.app import KEY_VARIABLE, PREFIX, Service, create_api, key_from_environment
    from deepfake.api.logs import log_as_json
    from deepfake.detection.card import default_name

    default_name()
    as_json = options.log_format == "json"
    if as_json:
        log_as_json()
    key = key_from_environment()
    listening = _listen(options.host, options.port)
    host = f"[{options.host}]" if ":" in options.host else options.host
    print(f"http://{host}:{listening.getsockname()[1]}{PREFIX}/openapi.json", flush=True)
    if key is None and not _this_machine_only(options.host):
        print(
            f"Anyone who can reach this address can use the API. Set {KEY_VARIABLE} to a secret.",
            file=sys.stderr,
        )
    config = uvicorn.Config(
        create_api(Service(key, options.requests_per_minute)),
        log_config=None if as_json else LOGGING_CONFIG,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # a client could name any address and so pass the limit
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run(sockets=[listening])
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """Bound here, not by uvicorn, which ends the process where the address is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        if sys.platform != "win32":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)  # whoever asks before the program is ready waits
    except OSError as error:
        raise UserError(
            "no_address",
            f"{host}:{port} cannot be listened on: {error.strerror}. Choose another --host or --port.",
        ) from error
    return listening


def _this_machine_only(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(text: str) -> int:
    value = whole_number(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"must be 0 to 65535, received {text}")
    return value
