"""An OpenAI-compatible /v1/chat/completions that runs a language model of transformers: python -m … FOLDER."""

from __future__ import annotations

import json
import sys
from threading import Thread
from typing import Any

from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

from tests.servers.json_server import JsonHandler, serve

TOKENIZER: Any = AutoTokenizer.from_pretrained(sys.argv[1])
MODEL: Any = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()


def words(content: Any) -> str:
    """The words of a message; pictures are refused, as by any server of a model without eyes."""
    if isinstance(content, str):
        return content
    if any(part["type"] != "text" for part in content):
        raise ValueError("this model reads no pictures")
    return "\n".join(part["text"] for part in content)


class Chat(JsonHandler):
    def do_POST(self) -> None:
        asked = self.body()
        try:
            turns = [{"role": one["role"], "content": words(one["content"])} for one in asked["messages"]]
        except ValueError as error:
            self.send({"error": {"message": str(error)}}, 400)
            return
        inputs = TOKENIZER.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        streamer = TextIteratorStreamer(TOKENIZER, skip_prompt=True, skip_special_tokens=True)
        options = {"max_new_tokens": asked["max_tokens"], "do_sample": False, "streamer": streamer}
        if asked.get("stop"):
            options |= {"stop_strings": asked["stop"], "tokenizer": TOKENIZER}
        Thread(target=MODEL.generate, kwargs={**inputs, **options}, daemon=True).start()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for piece in streamer:
            self.event({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]})
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, content: Any) -> None:
        self.wfile.write(f"data: {json.dumps(content)}\n\n".encode())
        self.wfile.flush()


if __name__ == "__main__":
    serve(Chat)
