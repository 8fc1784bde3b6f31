"""An OpenAI-compatible /v1/embeddings that serves the default encoder."""

from __future__ import annotations

from bowerbird.encoders.e5 import load
from tests.servers.json_server import JsonHandler, serve


class Embeddings(JsonHandler):
    def do_POST(self) -> None:
        asked = self.body()
        if self.path != "/v1/embeddings" or asked["model"] != "e5":
            self.send({"error": {"message": f"no model {asked.get('model')!r} at {self.path}"}}, 404)
            return
        vectors = load().encode_texts(asked["input"])
        data = [{"object": "embedding", "index": row, "embedding": one.tolist()} for row, one in enumerate(vectors)]
        self.send({"object": "list", "model": "e5", "data": data[::-1]})  # order is told by index only


if __name__ == "__main__":
    serve(Embeddings)
