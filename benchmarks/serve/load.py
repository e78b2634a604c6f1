"""Load on the HTTP server: requests per second, and how long one takes.

python benchmarks/serve/load.py RUN --connections 16 --requests 4000 [--kind users]

It starts `semacdr serve RUN` in a process of its own and asks it over connections that stay open, each for one user or
for the history of one user before the test event, the next request after the answer to the last. It prints JSON:
requests per second, milliseconds of a request (p50, p99, worst), CPU seconds of the server, and so the requests for
each CPU second, which hardly depend on what else the machine does. RUN needs the users' histories.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import semacdr

WARM_UP = 50  # requests that are not counted


def bodies(run: Path, kind: str, top: int, seed: int = 0) -> list[bytes]:
    """The requests, one for each user in random order; empty histories are left out."""
    recommender = semacdr.load(run)
    names, history = recommender.users(), recommender.trained.history
    numbers = recommender.understand(users="all").users
    ids = recommender.items["item_id"].to_list()
    domains = recommender.items["domain"].to_list()
    found = []
    for place in np.random.default_rng(seed).permutation(len(names)):
        user = numbers[place]
        end = history.test[user] if recommender.as_of == "before_test" else history.start[user + 1]
        events = history.item[history.start[user] : end]
        asked = (
            {"users": [names[place]]} if kind == "users" else {"histories": [[[domains[i], ids[i]] for i in events]]}
        )
        if kind == "users" or len(events):
            found.append(json.dumps(asked | {"top": top}).encode())
    return found


async def connection(host: str, port: int, asked: list[bytes], seconds: list[float]) -> None:
    """Send what is left of `asked`, one after the other, and add to `seconds`."""
    reader, writer = await asyncio.open_connection(host, port)
    while asked:
        body = asked.pop()
        begin = time.perf_counter()
        writer.write(b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"an answer is not 200: {head!r}")
        await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head)[1]))
        seconds.append(time.perf_counter() - begin)
    writer.close()


async def ask(host: str, port: int, asked: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Wall seconds of all requests, and the seconds of each."""
    seconds: list[float] = []
    begin = time.perf_counter()
    await asyncio.gather(*(connection(host, port, asked, seconds) for _ in range(connections)))
    return time.perf_counter() - begin, seconds


def cpu_seconds(process: int) -> float:
    """CPU seconds of a process so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("run", type=Path)
    cli.add_argument("--connections", type=int, default=16)
    cli.add_argument("--requests", type=int, default=4000)
    cli.add_argument("--kind", choices=["histories", "users"], default="histories")
    cli.add_argument("--top", type=int, default=20)
    args = cli.parse_args()
    own = bodies(args.run, args.kind, args.top)
    asked = [own[number % len(own)] for number in range(args.requests + WARM_UP)]
    command = [sys.executable, "-m", "semacdr.commands.main", "serve", str(args.run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            found = None
            while found is None:
                line = server.stderr.readline()
                if not line:
                    raise SystemExit("the server did not start")
                found = re.search(r"http://([\d.]+):(\d+)", line)
            host, port = found[1], int(found[2])
            asyncio.run(ask(host, port, asked[args.requests :], 4))
            before = cpu_seconds(server.pid)
            wall, seconds = asyncio.run(ask(host, port, asked[: args.requests], args.connections))
            used = cpu_seconds(server.pid) - before
        finally:
            server.terminate()
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    result = {
        "run": f"{args.run.parent.name}/{args.run.name}",
        "kind": args.kind,
        "connections": args.connections,
        "requests": len(seconds),
        "per_second": round(len(seconds) / wall, 1),
        "p50_ms": round(p50, 2),
        "p99_ms": round(p99, 2),
        "worst_ms": round(max(seconds) * 1000, 2),
        "server_cpu_s": round(used, 2),
        "per_cpu_second": round(len(seconds) / used, 1),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
