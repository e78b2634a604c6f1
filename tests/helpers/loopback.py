"""An HTTP server on loopback; subclasses define its answers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """A request, which the server's `get` or `post` answers, with methods to send an answer."""

    @property
    def protocol_version(self) -> str:
        return self.server.protocol

    def do_GET(self) -> None:
        self.server.get(self)

    def do_POST(self) -> None:
        self.server.post(self)

    def body(self) -> bytes:
        """The body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def head(self, status: int, headers: dict[str, str | None]) -> None:
        """Send the status, and those headers that have a value."""
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def respond(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Send a complete answer."""
        self.head(status, (headers or {}) | {"Content-Length": str(len(content))})
        self.wfile.write(content)

    def respond_json(self, status: int, said: dict) -> None:
        self.respond(status, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Serves in threads from the start, at a free port, until the end of its `with`."""

    daemon_threads, request_queue_size = True, 64  # as many as connect at once; otherwise connections would be refused
    protocol = "HTTP/1.0"  # each request has its own connection, which ends with the answer
    path = "/v1"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}{self.path}"

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.thread.join()
        super().__exit__()
