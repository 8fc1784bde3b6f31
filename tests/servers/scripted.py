"""An OpenAI-compatible /v1/chat/completions that says what a function of the question gives, piece by piece."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from tests.servers.json_server import JsonHandler


@contextmanager
def answering(say: Callable[[str], Sequence[str]]) -> Iterator[str]:
    """The base URL of a server in this process; `say` is given all words of a conversation."""

    class Chat(JsonHandler):
        def do_POST(self) -> None:
            pieces = say(json.dumps(self.body()["messages"]))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            for piece in pieces:
                self.tell({"delta": {"content": piece}, "finish_reason": None})
            self.tell({"delta": {}, "finish_reason": "stop"})
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def tell(self, choice: dict[str, object]) -> None:
            self.wfile.write(f"data: {json.dumps({'choices': [{'index': 0, **choice}]})}\n\n".encode())
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
