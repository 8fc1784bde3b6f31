"""A Llama of some hundred thousand weights that has learnt by heart how to answer a few cited questions."""

from __future__ import annotations

from pathlib import Path

from bowerbird.chat import Evidence, Message, cited_messages
from bowerbird.chat.prompts import prompt
from bowerbird.items import Text

EVIDENCE = [
    Evidence(1, "report.pdf", "page 3", "Revenue was highest in the second quarter."),
    Evidence(2, "boats.md", "", "The boat is red."),
]
QUESTIONS = {
    "Which quarter was best?": "The second quarter [1].",
    "What colour is the boat?": "It is réd ⛵ [2], and not blue [7].",
    "Who is the king?": prompt("refusal"),
}
TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def conversation(question: str) -> list[Message]:
    return cited_messages([Text(question)], EVIDENCE)


def make(folder: Path) -> str:
    """Trains for some seconds and saves model and tokenizer; the folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    turns = {
        answer: [{"role": m.role, "content": m.text} for m in conversation(question)]
        for question, answer in QUESTIONS.items()
    }
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    roles = ["<system>", "<user>", "<assistant>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=800, special_tokens=["</s>", *roles], initial_alphabet=alphabet)
    made.train_from_iterator([turn["content"] for some in turns.values() for turn in some], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="</s>", chat_template=TEMPLATE)
    tokenizer.save_pretrained(folder)

    torch.set_num_threads(1)  # so small a model only waits for a second one
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=512, eos_token_id=0, bos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    asked = [
        tokenizer.apply_chat_template(some, add_generation_prompt=True, return_dict=True)["input_ids"]
        for some in turns.values()
    ]
    said = [tokenizer(answer + "</s>")["input_ids"] for answer in turns]
    length = max(len(one) + len(two) for one, two in zip(asked, said, strict=True))
    ids = torch.zeros(len(asked), length, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, (one, two) in enumerate(zip(asked, said, strict=True)):
        ids[row, : len(one) + len(two)] = torch.tensor(one + two)
        labels[row, len(one) : len(one) + len(two)] = torch.tensor(two)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(200):
        loss = model(input_ids=ids, labels=labels).loss
        if loss < 0.02:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.generation_config.do_sample = False
    model.save_pretrained(folder)
    return str(folder)
