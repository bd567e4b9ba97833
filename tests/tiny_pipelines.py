"""Tiny random diffusers pipelines of each class, saved to disk as their makers save the real ones."""

from __future__ import annotations

import atexit
import json
import re
import shutil
import string
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

LENGTH = 16  # tokens of a prompt
TEXT = {"hidden_size": 32, "intermediate_size": 37, "num_attention_heads": 4, "num_hidden_layers": 2}
TEXT |= {"max_position_embeddings": LENGTH, "projection_dim": 32, "bos_token_id": 0, "eos_token_id": 1}


def clip_tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer with letters for words."""
    from transformers import CLIPTokenizer

    letters = [*string.ascii_lowercase, *(f"{c}</w>" for c in string.ascii_lowercase)]
    vocab = {word: i for i, word in enumerate(["<|startoftext|>", "<|endoftext|>", *letters])}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    return CLIPTokenizer(*files, model_max_length=LENGTH, unk_token="<|endoftext|>")


def clip_text(projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind = CLIPTextModelWithProjection if projected else CLIPTextModel
    return kind(CLIPTextConfig(vocab_size=54, hidden_act="gelu", **TEXT)).eval()


def clip(folder: Path) -> Path:
    """All of CLIP, saved."""
    from transformers import CLIPConfig, CLIPModel

    sight = {name: TEXT[name] for name in ("hidden_size", "intermediate_size", "num_attention_heads")}
    sight |= {"num_hidden_layers": 2, "image_size": 32, "patch_size": 8}
    words = {"vocab_size": 54, "hidden_act": "gelu", **TEXT}
    CLIPModel(CLIPConfig(text_config=words, vision_config=sight, projection_dim=32)).save_pretrained(folder)
    clip_tokenizer(folder).save_pretrained(folder)
    return folder


def t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((c, -3.0) for c in string.ascii_lowercase)]
    return T5Tokenizer(vocab=words, extra_ids=0, model_max_length=LENGTH)


def t5_text() -> Any:
    from transformers import T5Config, T5EncoderModel

    shape = {"d_model": 32, "d_kv": 8, "d_ff": 37, "num_heads": 4, "num_layers": 1}
    return T5EncoderModel(T5Config(vocab_size=30, **shape)).eval()


def vae(channels: int = 4, **options: Any) -> Any:
    """Pictures are twice as large as their latents."""
    from diffusers import AutoencoderKL

    blocks = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}
    blocks |= {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    return AutoencoderKL(latent_channels=channels, sample_size=16, **blocks, **options)


def unet(**options: Any) -> Any:
    from diffusers import UNet2DConditionModel

    blocks = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1, "sample_size": 8}
    blocks |= {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}
    blocks |= {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "attention_head_dim": (2, 4)}
    return UNet2DConditionModel(**({"cross_attention_dim": 32} | blocks | options))


def sd(folder: Path, **scheduler: Any) -> Any:
    """Stable Diffusion 1.x; with `prediction_type="v_prediction"` 2.x."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    steps: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    steps |= {"clip_sample": False, "steps_offset": 1}
    return StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(folder / "words"),
        unet=unet(),
        scheduler=DDIMScheduler(**steps, **scheduler),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(folder: Path) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    more = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8, "cross_attention_dim": 64}
    more |= {"projection_class_embeddings_input_dim": 80, "transformer_layers_per_block": 1}
    more |= {"use_linear_projection": True}
    return StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip_text(),
        text_encoder_2=clip_text(projected=True),
        tokenizer=clip_tokenizer(folder / "words"),
        tokenizer_2=clip_tokenizer(folder / "words"),
        unet=unet(**more),
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    )


def sd3(folder: Path) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    net = {"sample_size": 16, "patch_size": 1, "in_channels": 16, "num_layers": 1, "attention_head_dim": 8}
    net |= {"num_attention_heads": 4, "joint_attention_dim": 32, "caption_projection_dim": 32, "out_channels": 16}
    return StableDiffusion3Pipeline(
        transformer=SD3Transformer2DModel(pooled_projection_dim=64, **net),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(16, shift_factor=0.0609, scaling_factor=1.5),
        text_encoder=clip_text(projected=True),
        tokenizer=clip_tokenizer(folder / "words"),
        text_encoder_2=clip_text(projected=True),
        tokenizer_2=clip_tokenizer(folder / "words"),
        text_encoder_3=t5_text(),
        tokenizer_3=t5_tokenizer(),
    )


def flux(folder: Path) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    net = {"patch_size": 1, "in_channels": 16, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 16}
    net |= {"num_attention_heads": 2, "joint_attention_dim": 32, "pooled_projection_dim": 32}
    return FluxPipeline(
        transformer=FluxTransformer2DModel(axes_dims_rope=(4, 4, 8), guidance_embeds=True, **net),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae(shift_factor=0.1159, scaling_factor=0.3611),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(folder / "words"),
        text_encoder_2=t5_text(),
        tokenizer_2=t5_tokenizer(),
    )


def pixart(folder: Path) -> Any:
    from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel

    net = {"sample_size": 8, "num_layers": 1, "patch_size": 2, "attention_head_dim": 8, "num_attention_heads": 3}
    net |= {"caption_channels": 32, "in_channels": 4, "cross_attention_dim": 24, "out_channels": 8}
    return PixArtSigmaPipeline(
        transformer=PixArtTransformer2DModel(attention_bias=True, num_embeds_ada_norm=1000, **net),
        scheduler=DPMSolverMultistepScheduler(),
        vae=vae(),
        text_encoder=t5_text(),
        tokenizer=t5_tokenizer(),
    )


MADE: dict[str, Callable[[Path], Any]] = {"sd": sd, "sdxl": sdxl, "sd3": sd3, "flux": flux, "pixart": pixart}


@cache
def base(name: str = "sd") -> str:
    """The folder of a tiny pipeline of the kind `name`, made at the first call and gone at the end."""
    folder = tempfile.mkdtemp(prefix="huabi-tiny-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(save(name, Path(folder)))


def save(name: str, folder: Path) -> Path:
    """The folder of a tiny pipeline of the kind `name`, the same at every call."""
    torch.manual_seed(0)
    MADE[name](folder).save_pretrained(folder / name, safe_serialization=True)
    return folder / name


RESNET = (("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"))
RESNET += (("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"))
UNET = (  # names within diffusers, and in the single files that Stable Diffusion came in
    (r"^time_embedding.linear_1", "time_embed.0"),
    (r"^time_embedding.linear_2", "time_embed.2"),
    (r"^conv_in", "input_blocks.0.0"),
    (r"^down_blocks.0.resnets.0", "input_blocks.1.0"),
    (r"^down_blocks.0.downsamplers.0.conv", "input_blocks.2.0.op"),
    (r"^down_blocks.1.resnets.0", "input_blocks.3.0"),
    (r"^down_blocks.1.attentions.0", "input_blocks.3.1"),
    (r"^mid_block.resnets.0", "middle_block.0"),
    (r"^mid_block.attentions.0", "middle_block.1"),
    (r"^mid_block.resnets.1", "middle_block.2"),
    (r"^up_blocks.0.resnets.(\d)", r"output_blocks.\1.0"),
    (r"^up_blocks.0.attentions.(\d)", r"output_blocks.\1.1"),
    (r"^up_blocks.0.upsamplers.0", "output_blocks.1.2"),
    (r"^up_blocks.1.resnets.0", "output_blocks.2.0"),
    (r"^up_blocks.1.resnets.1", "output_blocks.3.0"),
    (r"^conv_norm_out", "out.0"),
    (r"^conv_out", "out.2"),
)
VAE = (
    (r"down_blocks.(\d).resnets.(\d)", r"down.\1.block.\2"),
    (r"down_blocks.(\d).downsamplers.0", r"down.\1.downsample"),
    (r"up_blocks.0.resnets.(\d)", r"up.1.block.\1"),
    (r"up_blocks.1.resnets.(\d)", r"up.0.block.\1"),
    (r"up_blocks.0.upsamplers.0", "up.1.upsample"),
    (r"mid_block.resnets.0", "mid.block_1"),
    (r"mid_block.resnets.1", "mid.block_2"),
    (r"mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
    (r"mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
    (r"mid_block.attentions.0.to_", "mid.attn_1."),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
)


def single_file(pipe: Any, parts: tuple[str, ...] = ("unet", "vae", "text_encoder")) -> dict[str, torch.Tensor]:
    """The weights of a tiny `sd` by the names that they have in one file."""
    found: dict[str, torch.Tensor] = {}
    for key, value in pipe.unet.state_dict().items() if "unet" in parts else ():
        for old, new in UNET:
            key = re.sub(old, new, key)
        if "attentions" not in key and ("_blocks" in key or "middle_block" in key):
            for old, new in RESNET:
                key = key if "transformer_blocks" in key else key.replace(f".{old}.", f".{new}.")
        found[f"model.diffusion_model.{key}"] = value
    for key, value in pipe.vae.state_dict().items() if "vae" in parts else ():
        for old, new in VAE:
            key = re.sub(old, new, key)
        square = "attn_1" in key and "norm" not in key and key.endswith("weight")
        found[f"first_stage_model.{key}"] = value[:, :, None, None] if square else value
    for key, value in pipe.text_encoder.state_dict().items() if "text_encoder" in parts else ():
        whole = key if key.startswith("text_model.") else f"text_model.{key}"
        found[f"cond_stage_model.transformer.{whole}"] = value
    return {key: value.clone().contiguous() for key, value in found.items()}
