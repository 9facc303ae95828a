"""Tiny random models, made on the spot: shapes and interfaces are what they have, not quality."""

import json
import warnings
from functools import partial
from pathlib import Path


def tiny_sam(seed: int = 0):
    """Returns a random `segment_anything` model of 256 pixels with the encoder's window attention."""
    import torch

    from stages.segmenters.lent_torchvision import import_segment_anything

    modeling = import_segment_anything().modeling
    torch.manual_seed(seed)
    encoder = modeling.ImageEncoderViT(
        img_size=256,
        patch_size=16,
        embed_dim=48,
        depth=2,
        num_heads=4,
        out_chans=32,
        qkv_bias=True,
        use_rel_pos=True,
        window_size=7,
        global_attn_indexes=(1,),
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )
    prompts = modeling.PromptEncoder(32, (16, 16), (256, 256), 16)
    decoder = modeling.MaskDecoder(
        transformer_dim=32,
        transformer=modeling.TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=8),
        num_multimask_outputs=3,
        iou_head_depth=3,
        iou_head_hidden_dim=32,
    )
    model = modeling.Sam(encoder, prompts, decoder).eval()
    for parameter in model.parameters():  # what starts at zero would hide a wrong name in a conversion
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def save_sam1(model, folder: Path) -> Path:
    """Writes a `segment_anything` model as a folder of transformers' `SamModel`; returns the folder."""
    from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

    from stages.segmenters.convert import to_transformers

    vision = SamVisionConfig(
        hidden_size=48,
        output_channels=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=256,
        patch_size=16,
        window_size=7,
        global_attn_indexes=[1],
        mlp_dim=192,
        num_pos_feats=16,
    )
    prompts = SamPromptEncoderConfig(hidden_size=32, image_size=256, patch_size=16)
    decoder = SamMaskDecoderConfig(
        hidden_size=32, mlp_dim=64, num_attention_heads=8, iou_head_hidden_dim=32, num_hidden_layers=2
    )
    config = SamConfig(
        vision_config=vision.to_dict(),
        prompt_encoder_config=prompts.to_dict(),
        mask_decoder_config=decoder.to_dict(),
    )
    converted = SamModel(config)
    converted.load_state_dict(to_transformers(model.state_dict()), strict=True)
    converted.save_pretrained(folder)
    return folder


def save_sam2(folder: Path) -> Path:
    """Writes a random SAM 2 of 256 pixels; returns the folder."""
    import torch
    from transformers import Sam2Config, Sam2Model

    torch.manual_seed(1)
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "num_attention_heads": 1,
        "image_size": [256, 256],
        "blocks_per_stage": [1, 2, 2, 1],
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "window_size_per_stage": [8, 4, 8, 8],
        "global_attention_blocks": [4],
        "window_positional_embedding_background_size": [7, 7],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]],
        "fpn_hidden_size": 32,
    }
    prompts = {"hidden_size": 32, "image_size": 256, "patch_size": 16}
    decoder = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 4, "iou_head_hidden_dim": 32}
    Sam2Model(
        Sam2Config(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    ).save_pretrained(folder)
    return folder


_VIT = {
    "model_type": "sam3_vit_model",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 224,
    "pretrain_image_size": 112,
    "patch_size": 14,
    "window_size": 8,
    "global_attn_indexes": [1],
}
_VISION = {
    "backbone_config": _VIT,
    "fpn_hidden_size": 32,
    "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]],
}


def save_sam3(folder: Path) -> Path:
    """Writes a random SAM 3 with a tokenizer of single characters; returns the folder."""
    import torch
    from transformers import CLIPTokenizer, Sam3Config, Sam3Model

    torch.manual_seed(2)
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt")).save_pretrained(folder)
    text = {
        "model_type": "clip_text_model",
        "vocab_size": len(words),
        "hidden_size": 32,
        "intermediate_size": 48,
        "projection_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 32,
        "bos_token_id": len(words) - 2,
        "eos_token_id": len(words) - 1,
        "pad_token_id": len(words) - 1,
    }
    small = {"hidden_size": 32, "num_attention_heads": 4}
    layered = small | {"num_layers": 1, "intermediate_size": 48}
    config = Sam3Config(
        vision_config=_VISION,
        text_config=text,
        geometry_encoder_config=layered,
        detr_encoder_config=layered,
        detr_decoder_config=layered | {"num_queries": 12},
        mask_decoder_config=small,
    )
    Sam3Model(config).save_pretrained(folder)
    return folder


def save_sam3_tracker(folder: Path) -> Path:
    """Writes the part of SAM 3 that answers points and boxes; returns the folder."""
    import torch
    from transformers import Sam3TrackerConfig, Sam3TrackerModel

    torch.manual_seed(3)
    prompts = {"hidden_size": 32, "image_size": 224, "patch_size": 14}
    decoder = {"hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 4, "iou_head_hidden_dim": 32}
    vision = _VISION | {"model_type": "sam3_vision_model"}
    Sam3TrackerModel(
        Sam3TrackerConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    ).save_pretrained(folder)
    return folder


def save_graphs(folder: Path) -> Path:
    """Writes random graphs with the signature of the embedded segmenter; returns the folder."""
    import torch
    from torch import nn

    torch.manual_seed(4)

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.fine = nn.Conv2d(3, 8, 16, stride=16), nn.Conv2d(3, 4, 8, stride=8)
            self.dense = nn.Conv2d(3, 4, 4, stride=4)

        def forward(self, image):
            return self.wide(image / 255), self.fine(image / 255), self.dense(image / 255) + 2

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix, self.quality = nn.Conv2d(12, 4, 1), nn.Linear(4, 4)

        def forward(self, e, f8, points, boxes, isbox):
            maps = torch.cat([e.repeat_interleave(2, 2).repeat_interleave(2, 3), f8], 1)
            ticks = (torch.arange(32, dtype=torch.float32) + 0.5) * 8
            chosen = isbox[:, None]
            middle = chosen * (boxes[:, :2] + boxes[:, 2:]) / 2 + (1 - chosen) * points
            reach = chosen * (boxes[:, 2:] - boxes[:, :2]).clamp(min=8) / 2 + (1 - chosen) * 24
            x = ((ticks - middle[:, :1]) / reach[:, :1])[:, None, None, :]
            y = ((ticks - middle[:, 1:]) / reach[:, 1:])[:, None, :, None]
            masks = 6 * (1 - x * x - y * y) + self.mix(maps)
            masks = masks.repeat_interleave(4, 2).repeat_interleave(4, 3)
            return masks, torch.sigmoid(self.quality(masks.mean((2, 3))) + 3)

    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings(action="ignore"):  # the exporter that needs no further package is called old
        _export_graphs(torch, Encoder().eval(), Decoder().eval(), folder)
    (folder / "card.json").write_text("{}")
    return folder


def _export_graphs(torch, encoder, decoder, folder: Path) -> None:
    some = torch.zeros(2)
    maps = (torch.zeros(1, 8, 16, 16), torch.zeros(1, 4, 32, 32))
    prompts = (torch.zeros(2, 2), torch.zeros(2, 4), some)
    export = partial(torch.onnx.export, dynamo=False, opset_version=17)
    names = ["e", "f8", "dense"]
    export(
        encoder,
        (torch.zeros(1, 3, 256, 256),),
        folder / "encoder.onnx",
        input_names=["image"],
        output_names=names,
    )
    several = {name: {0: "n"} for name in ("points", "boxes", "isbox", "masks", "iou")}
    export(
        decoder,
        (*maps, *prompts),
        folder / "decoder.onnx",
        input_names=["e", "f8", "points", "boxes", "isbox"],
        output_names=["masks", "iou"],
        dynamic_axes=several,
    )
