"""Serve a trained run over HTTP: health, recommendations, items.

Reads   RUN: the folder of a trained run, or a bundle of `semacdr pack`.
Writes  nothing; the address is on stderr, and Ctrl-C stops the server. docs/recommend.md describes the requests.

It needs `pip install semacdr[serve]`. By default only programs on this machine can reach it. There is no
authentication: with another --host, put a proxy that has it in front.

  semacdr serve RUN --port 8000
  curl localhost:8000/recommend -d '{"histories": [["B000X1", "B000X2"]], "top": 5}'
"""

import argparse
import contextlib
import importlib
import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semacdr.errors import UserError
from semacdr.runtime.cli import log, parser
from semacdr.serving.recommender import load


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    cli = parser(__doc__)
    cli.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run, or a bundle")
    cli.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    cli.add_argument("--port", type=int, default=8000, help="0 takes a free one (default 8000)")
    cli.add_argument("--max-users", type=int, default=1000, help="users or histories of a request (default 1000)")
    cli.add_argument("--max-top", type=int, default=1000, help="items for each user (default 1000)")
    cli.add_argument("--max-bytes", type=int, default=1 << 20, help="bytes of a request (default 1 MiB)")
    cli.add_argument("--access-log", action="store_true", help="log every request")
    cli.add_argument("--device", default="cpu", help="default: cpu")
    cli.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    return cli.parse_args(argv)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on an address; a UserError if that is not possible."""
    if not 0 <= port <= 65535:
        raise UserError(f"--port must be from 0 to 65535, not {port}")
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        opened = socket.create_server(address[:2], family=family, backlog=2048)
        # asyncio sets this only on sockets that name their protocol. Without it, the body of an answer waits 40 ms for
        # the client to acknowledge the head. Accepted connections inherit it.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return opened
    except OSError as error:
        raise UserError(f"cannot listen on {host}, port {port}: {error}; choose another --port or --host") from error


def is_loopback(address: str) -> bool:
    """Whether only programs on this machine reach an address."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def needed(name: str) -> Any:
    """A module that needs the extra; a UserError if it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("semacdr"):
            raise
        raise UserError(f"the server needs {error.name}: pip install 'semacdr[serve]'") from error


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = arguments(argv)
    uvicorn, server = needed("uvicorn"), needed("semacdr.serving.server")
    limits = server.Limits(body=args.max_bytes, users=args.max_users, top=args.max_top)
    if min(limits.body, limits.users, limits.top) < 1:
        raise UserError("--max-users, --max-top and --max-bytes must be at least 1")
    opened = listen(args.host, args.port)
    recommender = load(args.run, args.device, args.threads)
    app = server.make_app(recommender, limits)
    address, port = opened.getsockname()[:2]
    if not is_loopback(address):
        log.warning("other machines can reach %s, and there is no authentication", args.host)
    shown = f"[{address}]" if ":" in address else address
    log.info("%s, as of %s, at http://%s:%d; Ctrl-C stops it", recommender.model, recommender.as_of, shown, port)
    config = uvicorn.Config(app, log_level="info" if args.access_log else "warning", access_log=args.access_log)
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises it again after it has stopped in order
        uvicorn.Server(config).run(sockets=[opened])
