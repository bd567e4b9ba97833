"""What families read from requests: labels by seed, walks, and refusals."""

from __future__ import annotations

import pytest
import torch

from huabi.errors import RequestError
from huabi.families._rows import label_mix_of, labels_of, latents_of, refuse, slerp
from huabi.model import DataSpec
from huabi.requests import Generate

SPEC = DataSpec((8, 8), labels=("cat", "dog", "owl"), weights=(0.5, 0.5, 0.0))


def test_a_label_is_drawn_from_the_shares_by_the_seed_alone():
    labels = labels_of([Generate(seed=s) for s in range(400)], SPEC)
    counts = torch.bincount(labels, minlength=3)
    assert counts[2] == 0
    assert abs(counts[0] - 200) < 50
    assert labels[7] == labels_of([Generate(seed=7)], SPEC)[0]


def test_an_asked_label_is_kept_and_an_unknown_one_refused():
    assert labels_of([Generate(label="owl"), Generate(label="cat")], SPEC).tolist() == [2, 0]
    assert labels_of([Generate()], DataSpec((8, 8))) is None
    with pytest.raises(RequestError, match="owl"):
        labels_of([Generate(label="owll")], SPEC)
    with pytest.raises(RequestError, match="no labels"):
        labels_of([Generate(label="owl")], DataSpec((8, 8)))


def test_the_ends_of_a_walk_are_the_pictures_of_their_seeds():
    alone = [Generate(seed=3), Generate(seed=4)]
    walk = [Generate(between=(3, 4), fraction=f) for f in (0.0, 1.0)]
    torch.testing.assert_close(latents_of(walk, (6,)), latents_of(alone, (6,)), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(label_mix_of(walk, SPEC), label_mix_of(alone, SPEC))
    middle = label_mix_of([Generate(between=(3, 4), fraction=0.25)], SPEC)
    torch.testing.assert_close(middle, label_mix_of(alone, SPEC).T.mv(torch.tensor([0.75, 0.25]))[None])


def test_slerp_keeps_the_length_between_equally_long_ends():
    a, b = torch.nn.functional.normalize(torch.randn(2, 50, generator=torch.Generator().manual_seed(0)), dim=1)
    assert slerp(a, b, 0.3).norm().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(slerp(a, a * 2, 0.5), a * 1.5)


def test_a_field_that_a_family_does_not_use_is_refused():
    refuse(Generate(), "steps", "guidance", why="a gan draws in one step")
    with pytest.raises(RequestError, match="one step; leave 'guidance' out"):
        refuse(Generate(guidance=2), "steps", "guidance", why="a gan draws in one step")
