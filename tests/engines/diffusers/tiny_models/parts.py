"""What tiny models share: text and image encoders, a tokenizer, and random weights."""

from __future__ import annotations

from typing import Any

import torch

WORDS = "a red balloon over the sea at noon two white birds on blue in"


def randomize(module: torch.nn.Module) -> Any:
    """`module` without zero weights: a layer that is initialised to zero hides errors in it."""
    for name, parameter in module.named_parameters():
        if parameter.ndim < 2 and ("norm" in name or "scale" in name):
            torch.nn.init.normal_(parameter, mean=1.0, std=0.05)
        elif float(parameter.detach().abs().max()) == 0:
            torch.nn.init.normal_(parameter, std=0.05)
    return module.eval()


def tokenizer(**special: Any) -> Any:
    """A tokenizer of a few words, built here: nothing is fetched."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    pieces += [(f"▁{word}", -3.0) for word in WORDS.split()]
    pieces += [(letter, -5.0) for letter in "abcdefghijklmnopqrstuvwxyz.,"]
    inner = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=False))
    inner.pre_tokenizer = pre_tokenizers.Metaspace()
    inner.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", **special
    )


def t5(kind: str = "UMT5", width: int = 32) -> Any:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=128, d_model=width, d_kv=16, d_ff=64, num_layers=2, num_heads=2, dropout_rate=0.0
    )
    return getattr(transformers, f"{kind}EncoderModel")(config).eval()


def clip_vision(width: int = 32) -> tuple[Any, Any]:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    return CLIPVisionModel(config).eval(), CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


def qwen(width: int = 32) -> tuple[Any, Any]:
    """A text encoder as in Qwen2.5-VL, and a tokenizer with a template for chats."""
    import transformers

    config = transformers.Qwen2_5_VLTextConfig(
        vocab_size=128,
        hidden_size=width,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        rope_parameters={"rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 10000.0},
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    chat_tokenizer = tokenizer(padding_side="right")
    chat_tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }} {% endfor %}"
    return transformers.Qwen2_5_VLTextModel(config).eval(), chat_tokenizer


def gemma(width: int = 32) -> Any:
    import transformers

    text = {
        "vocab_size": 128,
        "hidden_size": width,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 1,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 16,
        "patch_size": 8,
    }
    config = transformers.Gemma3Config(
        text_config=text,
        vision_config=vision,
        mm_tokens_per_image=4,
        image_token_index=120,
        boi_token_index=121,
        eoi_token_index=122,
    )
    return transformers.Gemma3ForConditionalGeneration(config).eval()
