"""A SAM of the shape that a checkpoint has: ViT-B, L, H, or any other of the same modules. Nothing has to be named."""

from collections.abc import Mapping
from functools import partial
from typing import Any

_DECODER_HEADS = 8
"""Attention heads of every published decoder; the only number that the weights do not show."""


def build_for(state: Mapping[str, Any], modeling: Any) -> Any:  # noqa: ANN401 - tensors and torch modules
    """Returns an untrained `Sam` that takes the weights of `state`.

    Raises:
        KeyError: a weight is missing that every SAM has.
    """
    encoder = _encoder_for(state, modeling)
    width = state["image_encoder.neck.0.weight"].shape[0]
    grid = state["image_encoder.pos_embed"].shape[1]
    mask_channels = state["prompt_encoder.mask_downscaling.3.weight"].shape[0]
    prompts = modeling.PromptEncoder(width, (grid, grid), (encoder.img_size, encoder.img_size), mask_channels)
    layers = {name.split(".")[3] for name in state if name.startswith("mask_decoder.transformer.layers.")}
    mlp = state["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0]
    decoder = modeling.MaskDecoder(
        transformer_dim=width,
        transformer=modeling.TwoWayTransformer(len(layers), width, _DECODER_HEADS, mlp),
        num_multimask_outputs=state["mask_decoder.mask_tokens.weight"].shape[0] - 1,
        iou_head_depth=3,
        iou_head_hidden_dim=state["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0],
    )
    pixels = [[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]]
    return modeling.Sam(encoder, prompts, decoder, *pixels)


def _encoder_for(state: Mapping[str, Any], modeling: Any) -> Any:  # noqa: ANN401 - tensors and torch modules
    import torch

    own = {name.removeprefix("image_encoder."): value for name, value in state.items()}
    width, _, patch, _ = own["patch_embed.proj.weight"].shape
    grid = own["pos_embed"].shape[1]
    depth = len({name.split(".")[1] for name in own if name.startswith("blocks.")})
    reach = [(own[f"blocks.{block}.attn.rel_pos_h"].shape[0] + 1) // 2 for block in range(depth)]
    return modeling.ImageEncoderViT(
        img_size=grid * patch,
        patch_size=patch,
        embed_dim=width,
        depth=depth,
        num_heads=width // own["blocks.0.attn.rel_pos_h"].shape[1],
        mlp_ratio=own["blocks.0.mlp.lin1.weight"].shape[0] / width,
        out_chans=own["neck.0.weight"].shape[0],
        qkv_bias="blocks.0.attn.qkv.bias" in own,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=min(reach),
        global_attn_indexes=tuple(block for block, size in enumerate(reach) if size == grid and size != min(reach)),
    )
