"""Models of real architectures with random weights, made and saved on the spot: real configuration, real processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SENTENCES = [
    "a red boat on the sea",
    "the report of the second quarter",
    "a dog barks in the garden",
    "query : passage",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def tokenizer(extra: list[str] | None = None, **roles: str) -> Any:
    """A WordPiece tokenizer trained on SENTENCES, with '[CLS] … [SEP]' around each text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [*SPECIAL, *(extra or [])]
    made.train_from_iterator(SENTENCES, trainers.WordPieceTrainer(vocab_size=200, special_tokens=special))
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=made, mask_token="[MASK]", **{**names, **roles})


def sentence_transformer(folder: Path) -> str:
    """A two-layer BERT with mean pooling, and prompts for queries and documents."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    words = tokenizer()
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder / "bert")
    words.save_pretrained(folder / "bert")
    prompts = {"query": "query: ", "document": "passage: "}
    model = SentenceTransformer(modules=[Transformer(str(folder / "bert")), Pooling(32)], prompts=prompts)
    model.save(str(folder / "model"))
    return str(folder / "model")


def clip(folder: Path) -> str:
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    words = tokenizer(bos_token="[CLS]", eos_token="[SEP]")
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**layers, "vocab_size": len(words), "max_position_embeddings": 16, "eos_token_id": 3, "bos_token_id": 2}
    vision = {**layers, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(
        text_config={**text, "projection_dim": 24}, vision_config={**vision, "projection_dim": 24}, projection_dim=24
    )
    CLIPModel(config).save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, words).save_pretrained(folder)
    return str(folder)


def siglip(folder: Path) -> str:
    import torch
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel, SiglipProcessor

    torch.manual_seed(0)
    words = tokenizer(eos_token="[SEP]")
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**layers, "vocab_size": len(words), "max_position_embeddings": 16, "projection_size": 32}
    config = SiglipConfig(text_config=text, vision_config={**layers, "image_size": 32, "patch_size": 8})
    SiglipModel(config).save_pretrained(folder)
    SiglipProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), words).save_pretrained(folder)
    return str(folder)


def clap(folder: Path) -> str:
    """A two-stage HTSAT and a two-layer RoBERTa; stretches of one second at 16 kHz."""
    import torch
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    torch.manual_seed(0)
    words = tokenizer()
    text = {
        "vocab_size": len(words), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 66, "pad_token_id": 0, "projection_dim": 24,
    }  # fmt: skip
    audio = {
        "spec_size": 64, "num_mel_bins": 16, "patch_size": 4, "patch_stride": [4, 4], "window_size": 4,
        "hidden_size": 32, "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2],
        "num_hidden_layers": 2, "projection_dim": 24, "num_classes": 4,
    }  # fmt: skip
    ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=24)).save_pretrained(folder)
    sound = ClapFeatureExtractor(
        feature_size=16, sampling_rate=16_000, hop_length=160, max_length_s=1, fft_window_size=400,
        frequency_max=8_000, truncation="rand_trunc",
    )  # fmt: skip
    words.model_max_length = 64
    ClapProcessor(sound, words).save_pretrained(folder)
    return str(folder)


def colqwen2(folder: Path) -> str:
    import torch
    from transformers import ColQwen2Config, ColQwen2ForRetrieval, ColQwen2Processor, Qwen2VLConfig
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    torch.manual_seed(0)
    marks = [
        "<|image_pad|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|im_start|>",
        "<|im_end|>",
        "<|endoftext|>",
        "<|video_pad|>",
    ]
    words = tokenizer(marks, additional_special_tokens=marks)
    image, start, end = words.convert_tokens_to_ids(marks[:3])
    text = {
        "vocab_size": len(words), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [1, 1, 2]},
    }  # fmt: skip
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "patch_size": 14, "mlp_ratio": 2}
    vlm = Qwen2VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=image,
        vision_start_token_id=start,
        vision_end_token_id=end,
    )
    ColQwen2ForRetrieval(ColQwen2Config(vlm_config=vlm, embedding_dim=16)).save_pretrained(folder)
    pictures = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=28 * 28 * 16)
    ColQwen2Processor(pictures, words).save_pretrained(folder)
    return str(folder)


def colpali(folder: Path) -> str:
    import torch
    from transformers import (
        ColPaliConfig,
        ColPaliForRetrieval,
        ColPaliProcessor,
        PaliGemmaConfig,
        SiglipImageProcessor,
    )

    torch.manual_seed(0)
    words = tokenizer(["<image>"], bos_token="[CLS]", eos_token="[SEP]", additional_special_tokens=["<image>"])
    image = words.convert_tokens_to_ids("<image>")
    text = {
        "model_type": "gemma", "vocab_size": len(words) + 1200, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
    }  # fmt: skip
    vision = {
        "model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 8, "projection_dim": 32,
    }  # fmt: skip
    vlm = PaliGemmaConfig(text_config=text, vision_config=vision, image_token_index=image, projection_dim=32)
    ColPaliForRetrieval(ColPaliConfig(vlm_config=vlm, embedding_dim=16)).save_pretrained(folder)
    pictures = SiglipImageProcessor(size={"height": 32, "width": 32})
    pictures.image_seq_length = 16
    ColPaliProcessor(pictures, words).save_pretrained(folder)
    return str(folder)
