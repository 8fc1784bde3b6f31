"""A server that misbehaves on request: the name of the model says how. Each fault is that of a real server."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

from tests.servers.json_server import JsonHandler, serve

VECTOR = [0.6, 0.8, 0.0]
calls: Counter[str] = Counter()


def chunk(text: str | None, finish: str | None = None) -> bytes:
    delta = {} if text is None else {"content": text}
    return b"data: " + json.dumps({"choices": [{"delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"


class Faults(JsonHandler):
    def do_POST(self) -> None:
        asked = self.body()
        how = asked["model"]
        calls[how] += 1
        if how == "busy-then-fine" and calls[how] % 3:
            self.send({"error": {"message": "slow down"}}, 429, Retry_After="0")
        elif how == "dropped-then-fine" and calls[how] % 2:
            self.close_connection = True
        elif how == "always-busy":
            self.send({"error": {"message": f"slow down, call {calls[how]}"}}, 429)
        elif how == "broken":
            self.send({"error": {"message": f"out of memory, call {calls[how]}"}}, 500)
        elif how == "forbidden":
            self.send({"error": {"message": f"wrong key {self.headers['Authorization']}"}}, 401)
        elif how == "no-json":
            self.send(b"<html>hello</html>", Content_Type="text/html")
        elif how == "silent":
            time.sleep(5)
        elif how == "elsewhere":
            self.send({}, 307, Location="http://127.0.0.2:9/v1/embeddings")
        elif self.path.endswith("/embeddings"):
            self.embed(how, asked["input"])
        else:
            self.stream(how)

    def embed(self, how: str, texts: list[str]) -> None:
        data: list[dict[str, Any]] = [{"index": row, "embedding": VECTOR} for row in range(len(texts))]
        if how == "ragged" and len(data) > 1:
            data[-1]["embedding"] = VECTOR[:2]
        if how == "shrinking" and calls[how] > 1:
            data = [{"index": row["index"], "embedding": VECTOR[:2]} for row in data]
        if how == "too-few":
            data = data[1:]
        if how == "not-numbers":
            data[0]["embedding"] = [0.1, "nan", 0.2]
        self.send({"data": data})

    def stream(self, how: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()
        self.wfile.write(b": a comment\n\n" + chunk("The answer "))
        self.wfile.flush()
        if how == "stalls":
            time.sleep(5)
        elif how == "error-inside":
            self.wfile.write(b'data: {"error": {"message": "the model died"}}\n\n')
        elif how == "no-chunk":
            self.wfile.write(b"data: oops\n\n")
        elif how != "cut":
            self.wfile.write(chunk("is 4 [1].") + chunk(None, "stop") + b"data: [DONE]\n\n")
        self.close_connection = True


if __name__ == "__main__":
    serve(Faults)
