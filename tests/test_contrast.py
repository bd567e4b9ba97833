"""Contrast: pictures and words in one space, and what is done with it: measures, search, order."""

from __future__ import annotations

import errno
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import huabi
import tiny_pipelines
from conftest import TINY, refused, write_pictures
from huabi import api, families, index, search
from huabi.config import configure
from huabi.cost import example
from huabi.errors import DataError, RequestError
from huabi.families.contrast import Contrast, contrastive_loss
from huabi.metrics.agreement import agreement
from huabi.metrics.features import embed, features, of_model
from huabi.metrics.retrieval import ranks, recall
from huabi.model import DataSpec, Matches
from huabi.nets.text import groups_of
from huabi.pictures import open_picture, to_tensor
from huabi.search import Search, ranked

COLOURS = {
    "red": ("红色", (220, 30, 30)),
    "green": ("绿色", (30, 180, 40)),
    "blue": ("蓝色", (40, 60, 220)),
    "white": ("白色", (240, 240, 240)),
}
SIDES = {"left": "左", "right": "右"}


def square(colour: str, side: str, rng: np.random.Generator) -> Image.Image:
    """A square of a colour on one side of a dark picture."""
    pixels = rng.integers(0, 40, (16, 16, 3))
    top, left = int(rng.integers(2, 8)), int(rng.integers(1, 3)) + 8 * (side == "right")
    pixels[top : top + 6, left : left + 5] = np.clip(COLOURS[colour][1] + rng.normal(0, 12, 3), 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def squares(folder: Path, count: int = 64) -> Path:
    """Squares with captions in English and Chinese, beside a file that is no picture."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    lines = []
    for n in range(count):
        colour, side = list(COLOURS)[n % 4], list(SIDES)[n // 4 % 2]
        name = f"{n:02d}-{colour}-{side}.png"
        square(colour, side, rng).save(folder / name)
        chinese = f"{SIDES[side]}边有一个{COLOURS[colour][0]}的方块"
        text = chinese if n % 16 > 7 else f"A {colour} square on the {side}."
        lines.append(json.dumps({"file_name": name, "text": text}))
    (folder / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder of squares, and a run that was trained on them."""
    folder = tmp_path_factory.mktemp("contrast")
    settings = {"batch": 64, "net.width": 16, "text.width": 32, "text.depth": 1, "features": 32, "shift": 0, "lr": 5e-3}
    data = squares(folder / "squares")
    huabi.train("contrast", data, folder / "run", size=16, steps=60, flip=False, threads=1, settings=settings)
    return data, folder / "run"


def build(spec: DataSpec, **settings: Any) -> Contrast:
    torch.manual_seed(0)
    return Contrast(configure(families.find("contrast").Config(), TINY["contrast"] | settings), spec)


def test_the_loss_of_perfect_pairs_has_a_closed_form() -> None:
    eye, scale = torch.eye(5), torch.tensor(3.0)
    loss, right = contrastive_loss(eye, eye, torch.eye(5, dtype=torch.bool), scale)
    assert loss.item() == pytest.approx(math.log(math.exp(3) + 4) - 3, rel=1e-5)
    assert right.all()


def test_the_loss_is_cross_entropy_both_ways_where_all_texts_differ() -> None:
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    a, b = torch.nn.functional.normalize(x, dim=2)
    same, scale, truth = torch.eye(6, dtype=torch.bool), torch.tensor(7.0), torch.arange(6)
    loss, right = contrastive_loss(a, b, same, scale)
    cross = torch.nn.functional.cross_entropy
    assert loss.item() == pytest.approx((cross(7 * a @ b.T, truth) + cross(7 * b @ a.T, truth)).item() / 2, rel=1e-5)
    assert torch.equal(right, (a @ b.T).argmax(1) == truth)
    assert loss.item() == pytest.approx(contrastive_loss(b, a, same, scale)[0].item(), rel=1e-5)


def test_equal_captions_do_not_push_each_other_away() -> None:
    groups = groups_of(["A red house.", "a RED house", "两匹马", "两匹马。"])
    same = groups[:, None] == groups
    features = torch.eye(2).repeat_interleave(2, 0).requires_grad_()
    loss, right = contrastive_loss(features, features.detach(), same, torch.tensor(50.0))
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)  # each of two texts is as right as the other
    assert right.all()
    loss.backward()
    assert features.grad is not None
    assert features.grad.abs().max() < 1e-5
    apart, _ = contrastive_loss(features, features.detach(), torch.eye(4, dtype=torch.bool), torch.tensor(50.0))
    apart.backward()
    features = features.detach()
    assert contrastive_loss(features, torch.eye(2)[[0, 1, 1, 1]], same, torch.tensor(50.0))[0] > 1


@pytest.mark.parametrize("captions", [("", "a cat", "!", "a dog"), ("", "", "", "")], ids=["some", "none"])
def test_pictures_without_a_caption_teach_nothing(captions: tuple[str, ...]) -> None:
    spec = DataSpec((8, 8), 3, captions=True, count=8)
    batch = example(spec, 4)._replace(caption=captions)
    [update] = build(spec).losses(batch, 0)
    other = batch._replace(image=batch.image * torch.tensor([0.0, 1, 0, 1])[:, None, None, None])
    [changed] = build(spec).losses(other, 0)
    assert update.loss.isfinite()
    if any(captions):
        assert update.loss.item() == pytest.approx(changed.loss.item(), rel=1e-5)
    update.loss.backward()


def test_features_have_length_one_and_draw_nothing() -> None:
    family = build(DataSpec((12, 20), 1, captions=True)).eval()
    assert isinstance(family, Matches)
    for found in (family.embed(torch.rand(3, 1, 12, 20)), family.embed_text(["a", "", "马"])):
        assert found.shape == (3, 8)
        torch.testing.assert_close(found.norm(dim=1), torch.ones(3))
    with pytest.raises(RequestError, match="huabi find"):
        list(family.sample([]))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_measures_take_its_features_of_pictures_of_any_size(channels: int) -> None:
    net = of_model(build(DataSpec((8, 8), channels, captions=True)).eval())
    assert net.embed(torch.rand(2, 3, 30, 20)).shape == net.embed(torch.rand(2, 1, 9, 9)).shape == (2, 8)
    assert net.text is not None


def test_ranks_count_wrong_candidates_that_are_as_near() -> None:
    near = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    assert ranks(near, near * 5).tolist() == [1, 1, 1]
    assert ranks(near, near[[1, 0, 2]]).tolist() == [3, 3, 1]
    assert ranks(near, near[[1, 0, 2]], torch.tensor([4, 4, 7])).tolist() == [1, 1, 1]
    assert ranks(torch.ones(4, 2), torch.ones(4, 2)).tolist() == [4, 4, 4, 4]  # who knows nothing finds nothing
    x = torch.randn(2100, 3, generator=torch.Generator().manual_seed(0))
    assert recall(ranks(x, x), 1) == 1
    assert recall(torch.tensor([1, 2, 5, 6]), 5) == 0.75
    with pytest.raises(DataError, match="no pairs"):
        ranks(near, near[:2])


def test_agreement_is_the_mean_cosine_with_the_error_of_a_mean() -> None:
    angle = torch.rand(4000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    texts = torch.stack([angle.cos(), angle.sin()], 1)
    found = agreement(torch.tensor([[2.0, 0.0]]).expand(4000, 2), texts)
    assert found.value == pytest.approx(100 * angle.cos().mean().item(), rel=1e-6)
    assert found.error == pytest.approx(100 * angle.cos().std().item() / 4000**0.5, rel=0.8)
    assert math.isnan(agreement(texts[:5], texts[:5]).error)
    with pytest.raises(DataError, match="no pictures"):
        agreement(texts[:0], texts[:0])


def test_it_learns_to_match_and_says_how_well(trained: tuple[Path, Path]) -> None:
    data, run = trained
    model = huabi.load(run)
    rows = [json.loads(line) for line in (data / "metadata.jsonl").read_text("utf-8").splitlines()]
    pictures, texts = [Image.open(data / row["file_name"]) for row in rows], [row["text"] for row in rows]
    net = of_model(model)
    assert net.text is not None
    assert recall(ranks(torch.cat(list(embed(net, pictures))), net.text(texts), groups_of(texts)), 1) >= 0.95
    rng = np.random.default_rng(9)
    wanted = [(colour, side) for colour in COLOURS for side in SIDES]
    unseen = [square(*pair, rng) for pair in wanted for _ in range(5)]
    for sentence in ("a {0} square on the {1}", "{3}边有一个{2}的方块"):
        asked = [sentence.format(colour, side, COLOURS[colour][0], SIDES[side]) for colour, side in wanted]
        orders = [ranked(model, unseen, text) for text in asked]
        assert all(sorted(order) == list(range(40)) for order in orders)
        right = [place // 5 == n for n, order in enumerate(orders) for place in order[:5]]
        assert np.mean(right) > 0.5  # by chance 1/8
    log = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    assert log[-1]["heldout_recall_at_1"] > 0.3
    assert [row for row in log if "net" in row][-1]["net"] == pytest.approx(math.log(4), abs=0.2)  # four of each text


def test_its_run_is_known_afterwards(trained: tuple[Path, Path]) -> None:
    assert trained[1].resolve() in index.known()
    net = features(f"contrast:{trained[1]}")
    assert net.text is not None
    assert net.embed(torch.zeros(2, 3, 40, 40)).shape == net.text(["red", "blue"]).shape
    assert len(net.weights) == 64


def test_a_second_search_reads_no_picture(
    trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, model = squares(tmp_path / "more", 16), huabi.load(trained[1])
    first = Search(str(data), model)
    assert first.unreadable == 1
    assert len(first.features) == 16
    with monkeypatch.context() as patch:
        patch.setattr(search, "Pool", None)
        again = Search(str(data), model)
    assert [m.path for m in again.find("红色")] == [m.path for m in first.find("红色")]
    [cached] = [p for p in (tmp_path.parent / "home" / "cache" / "features").glob("find-*") if p.stat().st_size]
    cached.write_bytes(cached.read_bytes()[:50])
    assert torch.equal(Search(str(data), model).features, first.features)
    (data / "00-red-left.png").rename(data / "new-name.png")
    assert any(m.path.endswith("new-name.png") for m in Search(str(data), model).find("red", 99))
    (data / "new-name.png").unlink()
    assert len(Search(str(data), model).find("red", 99)) == 15


def test_a_search_reads_what_is_new_alone_and_one_that_is_stopped_goes_on(
    trained: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, model = squares(tmp_path / "more", 16), huabi.load(trained[1])
    read: list[int] = []
    embed = model.embed  # type: ignore[attr-defined]

    def counted(x: torch.Tensor) -> torch.Tensor:
        if sum(read) >= 8:
            raise KeyboardInterrupt
        read.append(len(x))
        return embed(x)  # type: ignore[no-any-return]

    monkeypatch.setattr(model, "embed", counted)
    monkeypatch.setattr(search, "ROWS", 4)
    monkeypatch.setattr(search, "KEPT", 4)
    with pytest.raises(KeyboardInterrupt):
        Search(str(data), model)
    assert sum(read) == 8
    read.clear()
    assert len(Search(str(data), model).features) == 16
    assert sum(read) == 8
    read.clear()
    shutil.copy(data / "00-red-left.png", data / "another.png")
    assert len(Search(str(data), model).features) == 17
    assert read == [1]


def test_find_prints_copies_and_shows(huabi: Any, trained: tuple[Path, Path], tmp_path: Path) -> None:
    data, run = trained
    out, sheet = tmp_path / "found", tmp_path / "sheet.png"
    done = huabi("find", data, "a red square on the left", "--n", 3, "--out", out, "--grid", sheet, "--json")
    assert done.code == 0, done.err
    assert "1 pictures cannot be read" in done.err
    found = json.loads(done.out)
    assert found["model"] == api.load(run).identity.hash
    assert all("red-left" in Path(match["path"]).name for match in found["matches"])
    cosines = [match["cosine"] for match in found["matches"]]
    assert cosines == sorted(cosines, reverse=True)
    assert -1 <= cosines[-1] <= cosines[0] <= 1
    copies = sorted(out.iterdir())
    assert [c.read_bytes() for c in copies] == [Path(match["path"]).read_bytes() for match in found["matches"]]
    with Image.open(sheet) as shown:
        assert min(shown.size) >= search.SIDE
    lines = huabi("find", data, "右边有一个蓝色的方块", "--model", run, "--n", 2).out.splitlines()
    assert len(lines) == 2
    assert all("blue-right" in line for line in lines)
    assert len(huabi("find", data, "red", "--n", 500).out.splitlines()) == 64


def test_find_takes_what_train_takes(huabi: Any, trained: tuple[Path, Path], tmp_path: Path) -> None:
    places = ("--out", tmp_path / "out", "--grid", tmp_path / "sheet.png")
    done = huabi("find", "world:n=3,seed=1", "a house", "--n", 2, *places)
    assert done.code == 0, done.err
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    plain = write_pictures(tmp_path / "photos", 5)
    assert len(huabi("find", plain, "anything").out.splitlines()) == 5  # captions are not asked for


def test_mistakes_in_find_get_one_line(
    huabi: Any,
    trained: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, run = trained
    other = tmp_path / "vae"
    api.train("vae", data, other, size=8, steps=1, threads=1, settings=TINY["vae"])
    refused(huabi("find", data, ""), "no words")
    refused(huabi("find", data, "?!", "--model", run), "no words")
    refused(huabi("find", data, "red", "--n", 0), "at least 1")
    refused(huabi("find", data, "red", "--model", other), "a vae knows no words", "huabi train contrast")
    refused(huabi("find", data, "red", "--model", tmp_path / "none"), "no run in")
    refused(huabi("find", tmp_path / "none", "red"), "no such folder")
    refused(huabi("find", data, "red", "--out", tmp_path / "a.png"), "--grid")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    refused(huabi("find", tmp_path / "bad", "red"), "can be read")
    monkeypatch.setenv("HUABI_HOME", str(tmp_path / "home"))
    refused(huabi("find", data, "red"), "huabi train contrast DATA --out RUN")


def test_captions_are_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="contrast needs caption"):
        huabi.train("contrast", write_pictures(tmp_path / "photos"), tmp_path / "run", size=8, steps=1)


def test_a_disk_that_is_full_gets_one_line_and_the_next_search_finds(
    huabi: Any, trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = squares(tmp_path / "more", 8)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(search, "write_file", full)
        refused(huabi("find", data, "red", "--model", trained[1]), "the disk is full", "free some space")
    assert len(huabi("find", data, "red", "--model", trained[1]).out.splitlines()) == 8


def test_clip_finds_and_orders_as_a_run_does(huabi: Any, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    torch.manual_seed(0)
    data, name = squares(tmp_path / "photos", 16), f"clip:{tiny_pipelines.clip(tmp_path / 'clip')}"
    for path in data.glob("*-*.png"):
        Image.open(path).resize((32, 32)).save(path)  # as large as that CLIP sees
    found = json.loads(huabi("find", data, "a red square", "--model", name, "--n", 5, "--json").out)
    sight = features(name)
    assert sight.text is not None
    assert found["model"] == sight.weights
    paths = [Path(match["path"]) for match in found["matches"]]
    shown = [open_picture(path) for path in paths]
    seen = sight.embed(torch.stack([to_tensor(picture) for picture in shown]))
    cosines = torch.nn.functional.cosine_similarity(seen, sight.text(["a red square"]))
    assert [match["cosine"] for match in found["matches"]] == pytest.approx(cosines.tolist(), abs=1e-4)
    assert ranked(sight, shown, "a red square") == list(range(5))
    wide = Image.new("RGB", (96, 32), "white")
    wide.paste("red", (0, 0, 20, 32))  # is seen as it is ordered: not cropped
    wide.save(data / "wide.png")
    matches = json.loads(huabi("find", data, "a red square " * 40, "--model", name, "--n", 99, "--json").out)["matches"]
    [cosine] = [match["cosine"] for match in matches if match["path"].endswith("wide.png")]
    assert cosine == pytest.approx(float(search.cosines(sight, [wide], "a red square " * 40)[0]), abs=0.02)


def test_a_clip_that_is_not_there_or_is_no_clip_is_named(huabi: Any, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "empty").mkdir()
    data = squares(tmp_path / "photos", 4)
    refused(huabi("find", data, "red", "--model", f"clip:{tmp_path / 'empty'}"), "no CLIP")
    refused(huabi("find", data, "red", "--model", f"clip:{tmp_path / 'missing'}"), "no CLIP")
    half = tiny_pipelines.clip(tmp_path / "half")
    kept = {name: x for name, x in load_file(half / "model.safetensors").items() if "projection" not in name}
    save_file(kept, half / "model.safetensors", {"format": "pt"})
    refused(huabi("find", data, "red", "--model", f"clip:{half}"), "lacks 2 of its weights")
    (half / "model.safetensors").write_bytes(b"damaged")
    refused(huabi("find", data, "red", "--model", f"clip:{half}"), "no CLIP")
    other = tmp_path / "other"
    tiny_pipelines.clip_text().save_pretrained(other)
    refused(huabi("find", data, "red", "--model", f"clip:{other}"), "it is a clip_text_model")
