"""A training step told by words, beside that of diffusers' UNet2DConditionModel at equal arithmetic and equal latents.

    python bench/conditioned.py [--rows 64] [--rounds 8]

Both see the same latents (what pixels of 64 x 64 are in patches of 4: 48 channels of 16 x 16) and as many tokens of the
same width, both in bf16, forwards, backwards and the optimizer's step; the peer in channels_last with AdamW, ours with
Muon. The peer's channels are the ones, of two levels, whose arithmetic comes nearest to ours. Rounds of the two take
turns. Printed are the medians, and the ratio with the range of its rounds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from huabi.cores import cores
from huabi.families.text_to_image import NetConfig
from huabi.nets.textnet import TextNet, shape_for
from huabi.nets.unet import Context
from huabi.optim import Muon

SIDE, PATCH, CHANNELS = 64, 4, 3
WIDTH, TOKENS = 256, 24  # of what is said
WIDTHS = range(32, 257, 8)  # of the peer's first level; the second has twice as many
BEATS = 3  # steps of a round


def ours(rows: int) -> tuple[torch.nn.Module, Callable[[], Tensor]]:
    config = NetConfig(attention=1)
    shape = shape_for(SIDE, config.width) | {"depth": config.depth, "attention": config.attention}
    net = TextNet(CHANNELS, WIDTH, strides=4, **shape)
    x, t, stride = torch.randn(rows, CHANNELS, SIDE, SIDE), torch.rand(rows), torch.zeros(rows, dtype=torch.int64)
    said = Context(torch.randn(rows, TOKENS, WIDTH), torch.ones(rows, TOKENS), torch.randn(rows, WIDTH))
    return net, lambda: (net(x, t, said, stride) - x).square().mean()


def peer(rows: int, width: int) -> tuple[torch.nn.Module, Callable[[], Tensor]]:
    channels, side = CHANNELS * PATCH**2, SIDE // PATCH
    net = UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        block_out_channels=(width, 2 * width),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=8,
        attention_head_dim=8,
        cross_attention_dim=WIDTH,
    ).to(memory_format=torch.channels_last)
    x = torch.randn(rows, channels, side, side).contiguous(memory_format=torch.channels_last)
    t, said = torch.rand(rows) * 1000, torch.randn(rows, TOKENS, WIDTH)
    return net, lambda: (net(x, t, said).sample - x).square().mean()


def arithmetic(loss: Callable[[], Tensor], rows: int) -> float:
    """GFLOP of a picture, forwards and backwards."""
    with FlopCounterMode(display=False) as counter, torch.autocast("cpu", torch.bfloat16):
        loss().backward()
    return float(counter.get_total_flops()) / rows / 1e9


def stepping(optimizer: torch.optim.Optimizer, loss: Callable[[], Tensor]) -> Callable[[], float]:
    def steps() -> float:
        begun = time.perf_counter()
        for _ in range(BEATS):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                found = loss()
            found.backward()
            optimizer.step()
        return (time.perf_counter() - begun) / BEATS

    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(cores())
    torch.manual_seed(0)
    net, loss = ours(args.rows)
    wanted = arithmetic(ours(2)[1], 2)
    costs = {width: arithmetic(peer(2, width)[1], 2) for width in WIDTHS}
    width = min(costs, key=lambda one: abs(costs[one] - wanted))
    other, judged = peer(args.rows, width)
    mine = stepping(Muon.of(net), loss)
    theirs = stepping(torch.optim.AdamW(other.parameters(), lr=1e-4), judged)
    mine(), theirs()  # kernels are chosen
    rounds = [(mine(), theirs()) for _ in range(args.rounds)]
    print(f"{args.rows} rows, {torch.get_num_threads()} threads, bf16, median of {args.rounds} rounds")
    print("| network | GFLOP a picture | pictures a second |\n|---|--:|--:|")
    names = ("ours, Muon", f"UNet2DConditionModel, {width} and {2 * width} channels, AdamW")
    for name, cost, seconds in zip(names, (wanted, costs[width]), zip(*rounds)):
        print(f"| {name} | {cost:.2f} | {args.rows / statistics.median(seconds):.0f} |")
    ratios = sorted(b / a for a, b in rounds)
    print(f"ours is {statistics.median(ratios):.2f} times as fast ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
