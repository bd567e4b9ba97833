"""The auxiliary task of text to image: what a noisy picture shows, and where."""

from __future__ import annotations

import math

import pytest
import torch

from conftest import TINY, stream
from huabi.config import configure
from huabi.cost import example
from huabi.data.world.truth import FACTS
from huabi.families._segmenting import Segmenter
from huabi.families.text_to_image import TextToImage, TextToImageConfig
from huabi.model import DataSpec
from huabi.plan import Plan
from huabi.ranks import Ranks
from huabi.trainer import Trainer, sampled_tensors
from huabi.truth import THINGS, unpack

SPEC = DataSpec((16, 16), 3, ("day", "night"), captions=True, count=32, weights=(0.5, 0.5), facts=FACTS)
WORDS = dict(FACTS)


def test_who_knows_nothing_is_as_wrong_as_a_guess() -> None:
    segmenter = Segmenter(FACTS, SPEC.size, 16)
    for layer in (segmenter.places, segmenter.whole):
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)
    records = example(SPEC, 3).truth
    assert records is not None
    attributes = [len(words) for name, words in FACTS if name not in THINGS]
    guess = math.log(1 + len(WORDS["kind"])) + math.log(len(WORDS["colour"]))  # something is seen everywhere
    guess += sum(map(math.log, attributes)) / len(attributes)
    torch.testing.assert_close(segmenter.loss(torch.randn(3, 16, 4, 4), records), torch.full((3,), guess))


@pytest.mark.parametrize("grid", [(4, 4), (8, 8), (5, 3)])
def test_each_place_is_told_what_is_seen_there(grid: tuple[int, int]) -> None:
    segmenter = Segmenter(FACTS, SPEC.size, 16)
    records = example(SPEC, 2).truth
    assert records is not None
    truth = unpack(records, FACTS, SPEC.size)
    truth.kind[:, :4] = torch.tensor([1, 2, 3, 4])  # a kind for each quarter
    truth.map[:, :, 8:] = 0  # and nothing at the right
    with torch.no_grad():
        segmenter.places.weight.zero_()
        segmenter.places.bias.zero_()
    places = torch.zeros(2, sum(segmenter.things), *grid, requires_grad=True)
    segmenter.places.register_forward_hook(lambda module, given, out: out + places)
    segmenter.loss(torch.randn(2, 16, *grid), records).sum().backward()
    assert places.grad is not None
    kinds = places.grad[:, : segmenter.things[0]].argmin(1)  # where the loss asks for more
    for row in range(grid[0]):
        for column in range(grid[1]):
            y, x = (int((k + 0.5) * 16 / n) for k, n in zip((row, column), grid))
            thing = int(truth.map[0, y, x])
            assert kinds[0, row, column] == (int(truth.kind[0, thing - 1]) if thing else 0)


def test_the_task_is_learnt_beside_the_flow_and_stays_out_of_what_draws() -> None:
    settings = TINY["text_to_image"] | {"autoencoder": "none", "segmenting": 1.0, "shortcut.share": 0.0}
    torch.manual_seed(0)
    family = TextToImage(configure(TextToImageConfig(), settings), SPEC)
    trainer = Trainer(family, Plan.of_steps(60), ranks=Ranks.alone())
    told = [report.losses["segmentation"] for report in trainer.run(stream(SPEC, 4))]
    assert sum(told[-5:]) < 0.5 * sum(told[:5])
    assert not any(name.startswith("segmenter") for name in sampled_tensors(family))
    torch.manual_seed(0)
    plain = TextToImage(configure(TextToImageConfig(), settings | {"segmenting": 0.0}), SPEC)
    assert plain.segmenter is None
