"""Tiles cover a picture without a seam, and never hold more of it than was said."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from huabi.tiles import places, tiled


@pytest.mark.parametrize(("length", "tile", "overlap"), [(1, 8, 2), (8, 8, 2), (9, 8, 2), (100, 8, 2), (77, 16, 15)])
def test_places_cover_every_pixel_and_overlap(length: int, tile: int, overlap: int) -> None:
    found = places(length, tile, overlap)
    assert found[0] == 0
    assert found[-1] + tile == max(length, tile)
    assert all(0 < b - a <= tile - overlap for a, b in itertools.pairwise(found))


def test_an_overlap_as_wide_as_the_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        places(10, 4, 4)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 17), (64, 64)])
@pytest.mark.parametrize("scale", [1, 2])
def test_what_is_local_is_the_same_in_tiles(size: tuple[int, int], scale: int) -> None:
    x = torch.rand(2, 3, *size)
    found = tiled(lambda part: F.interpolate(part, scale_factor=scale), x, tile=16, overlap=4, multiple=8, scale=scale)
    torch.testing.assert_close(found, F.interpolate(x, scale_factor=scale))


def test_a_constant_between_tiles_is_blended_and_bounded() -> None:
    values = itertools.cycle([0.0, 1.0])  # a chessboard of nine
    found = tiled(lambda part: torch.full_like(part, next(values)), torch.zeros(1, 1, 40, 40), tile=16, overlap=4)
    for dim in (-1, -2):
        assert 0.3 < found.diff(dim=dim).abs().max() < 0.4  # without ramps it is a half
    assert float(found.min()) == 0
    assert float(found.max()) <= 1


@pytest.mark.parametrize("size", [513, 600, 1024, 1500])
def test_tiles_are_no_larger_than_as_many_need(size: int) -> None:
    computed = 0

    def apply(part: torch.Tensor) -> torch.Tensor:
        nonlocal computed
        assert max(part.shape[-2:]) <= 512
        computed += part[0, 0].numel()
        return part

    tiled(apply, torch.zeros(1, 1, size, size), tile=512, overlap=64, multiple=8)
    assert computed < 1.4 * size**2


def test_every_tile_has_the_same_sides() -> None:
    seen = set()

    def apply(part: torch.Tensor) -> torch.Tensor:
        seen.add(tuple(part.shape))
        return part

    tiled(apply, torch.rand(1, 3, 50, 13), tile=24, overlap=6, multiple=8)
    assert seen == {(1, 3, 24, 16)}
