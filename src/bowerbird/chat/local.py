"""A language model in this process, from the hub or a folder, through transformers. Words only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bowerbird.chat.base import MAX_TOKENS, Message
from bowerbird.encoders.joint import device
from bowerbird.errors import ChatError, MissingExtra
from bowerbird.items import Image

TOP_TOKENS = 20
"""First tokens of a reply that are told with their probabilities."""


class TransformersChat:
    """A causal language model with a chat template."""

    def __init__(self, name: str) -> None:
        try:
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise MissingExtra("train", "a language model in this process") from error
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(name)
            self._model: Any = AutoModelForCausalLM.from_pretrained(name).eval().to(device())
        except (OSError, ValueError) as error:
            raise ChatError(f"no language model can be loaded from {name!r}: {error}") from error
        if not self._tokenizer.chat_template:
            raise ChatError(f"{name!r} has no chat template: choose a model that was trained to follow instructions")
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def reply(
        self,
        messages: Sequence[Message],
        *,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """The reply in pieces; closing the iterator stops the model."""
        return until(self._text(self._tokens(self._prompt(messages), max_tokens, temperature)), stop)

    def next_token(self, messages: Sequence[Message]) -> Mapping[str, float]:
        """The likeliest first tokens of a reply and the logarithms of their probabilities."""
        import torch

        with torch.inference_mode():
            logits = self._model(input_ids=self._prompt(messages).to(self._model.device)).logits[0, -1].float()
            best = logits.log_softmax(-1).topk(TOP_TOKENS)
        words = [self._tokenizer.decode([token]) for token in best.indices.tolist()]
        return dict(
            zip(reversed(words), reversed(best.values.tolist()), strict=True)
        )  # likelier ones win a shared name

    def _prompt(self, messages: Sequence[Message]) -> Any:
        if any(isinstance(part, Image) for message in messages for part in message.parts):
            raise ChatError(f"{self._name!r} reads no pictures here: serve it, and use its OpenAI-compatible endpoint")
        turns = [{"role": message.role, "content": message.text} for message in messages]
        return self._tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )["input_ids"]

    def _tokens(self, prompt: Any, max_tokens: int, temperature: float) -> Iterator[int]:
        import torch

        last = self._model.generation_config.eos_token_id
        ends = {last} if isinstance(last, int) else set(last or ())
        ids, cache = prompt.to(self._model.device), None
        for _ in range(max_tokens):
            with torch.inference_mode():
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True)
                logits, cache = output.logits[0, -1].float(), output.past_key_values
                chosen = torch.multinomial((logits / temperature).softmax(-1), 1) if temperature else logits.argmax()
            if int(chosen) in ends:
                return
            yield int(chosen)
            ids = chosen.reshape(1, 1)

    def _text(self, tokens: Iterable[int]) -> Iterator[str]:
        """Tokens → text; a character that is spread over several tokens comes when it is whole."""
        ids: list[int] = []
        given = ""
        for token in tokens:
            ids.append(token)
            text = self._tokenizer.decode(ids, skip_special_tokens=True)
            if len(text) > len(given) and not text.endswith("\ufffd"):
                yield text[len(given) :]
                given = text


def until(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The pieces up to the first of the stop words; what may become one is held back."""
    held = ""
    for piece in pieces:
        held += piece
        found = [held.find(word) for word in stop if word in held]
        if found:
            yield held[: min(found)]
            return
        keep = max((size for word in stop for size in range(1, len(word)) if held.endswith(word[:size])), default=0)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held
