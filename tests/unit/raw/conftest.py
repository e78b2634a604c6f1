"""A scripted server of raw files, and a place that downloads from it."""

import threading
from http.server import ThreadingHTTPServer

import pytest
from remote import Handler, Place, serve

from semacdr import download


@pytest.fixture
def server(monkeypatch):
    class Server(ThreadingHTTPServer):
        def handle_error(self, *args):
            pass  # clients hang up here on purpose

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.over, server.script, server.seen = threading.Event(), [serve()], []
    server.url = f"http://127.0.0.1:{server.server_port}/reviews_{{category}}.json.gz"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "FIRST_WAIT", 0.01)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server.url)
