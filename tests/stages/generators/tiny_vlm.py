"""A real vision-language model of 0.2 million random weights, made on the spot: right in form, wrong in all else.

A LLaVA (CLIP vision tower, Qwen2 text model) whose nonsense shows what the factory does with a model that says nothing.
"""

from pathlib import Path

CORPUS = [
    'How many things are red? Start with the cup farthest to the left, then count. 0 1 2 3 4 5 6 7 8 9 {}[]":,'
] * 4
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>\n{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def write_tiny_vlm(folder: Path, positions: int = 4096) -> Path:
    """Writes model and processor, 0.9 MB, and returns the folder."""
    import torch
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, Qwen2Config
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(0)
    tokenizer = _tokenizer()
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size={"height": 64, "width": 64}, do_center_crop=False, resample=3),
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    small = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**small, image_size=64, patch_size=8, projection_dim=64),
        text_config=Qwen2Config(
            vocab_size=len(tokenizer),
            **small,
            num_key_value_heads=2,
            max_position_embeddings=positions,
            tie_word_embeddings=True,
            **ids,
        ),
        image_token_index=tokenizer.image_token_id,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    model = LlavaForConditionalGeneration(config)
    ends = range(10, len(tokenizer), 12)  # also tokens of text: else answers of random weights end at the limit only
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, *ends]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.do_sample = True  # without it `transformers serve` ignores temperature and seed
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    pairs = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    pairs.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    pairs.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>", "<image>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1024, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    pairs.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=pairs,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        padding_side="left",
        extra_special_tokens={"image_token": "<image>"},
    )
