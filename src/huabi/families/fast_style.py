"""Style transfer in one pass, of any style: features whitened and coloured, and a decoder that the style modulates."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..model import Batch, DataSpec, Family, Update
from ..nets.features import over_grey
from ..nets.stylenet import PERIOD, Look, StyleNet, moments
from ..requests import Stylize
from ..rng import row_noise
from ..stylizing import (
    LONGEST,
    alpha_of,
    check_large,
    check_room,
    coloured_like,
    content_of,
    laid_over,
    masks_of,
    recoloured,
    resized,
    same_scene,
    shares_of,
    size_of,
    steadied,
    styles_of,
)
from ..tiles import boxes
from ..weights import efficientnet_lite0

SEEN = 2 * (16 + 24 + 40 + 80 + 112)  # means and deviations of the layers of EfficientNet-Lite0
CONTENT_MAP = 4  # of what is `_heard`: an eighth of the sides
COARSEST = 512  # pixels of the long side, about, that are drawn first
WHOLE = 2048  # pixels of the long side up to which a picture's moments are of all its pixels
TILE, MULTIPLE = 1024, 8
FEATURES = 4  # pixels from one of the encoder's features to the next
HELD = 10  # pictures of the result's size that are held at once
NOISE = 0.03  # amplitude, in [-1, 1], that a steady network does not answer to
RANGE = 10.0  # weight of what lies outside [-1, 1]
FAINT = 1e-6  # of a statistic's square, where a layer sees nothing that varies
BARELY = 1e-3  # deviation of what is seen, below which it does not vary
KNOWN = 500  # steps after which it is known how what is seen varies
MOST = 4.0  # deviations of what is seen from its mean, beyond which it says no more
ASTRAY = 0.2  # of them, by which what is seen is moved in training: looks that were never seen lie between those known
CALM = 0.8  # share of the moments of the frames before


@dataclass(frozen=True)
class NetConfig:
    """The network's shape."""

    width: int = 32  # channels at half the sides
    depth: int = 2  # blocks at each place


@dataclass(frozen=True)
class FastStyleConfig:
    """Settings of `fast_style`."""

    batch: int = 8
    lr: float = 1e-3  # Adam
    warmup: int = 200  # steps
    ema: float = 0.02  # length of the weight average, as a share of the run
    crop: int = 192  # pixels of the parts that are trained on; 0 takes whole pictures
    truth: float = 1.0  # of pairs: weight of the error where it is known what a picture becomes, in that of style
    content: float = 0.3  # weight of the content's loss, in that of style
    identity: float = 5.0  # weight of the error where a picture gets its own style
    steady: float = 2.0  # weight of how much noise in the content changes the result
    smoothness: float = 0.2  # weight of the total variation
    school: float = 0.0  # how much of every style is the mean of all that it is trained on: one artist's hand
    net: NetConfig = field(default_factory=NetConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.school <= 1:
            raise ValueError("school is from 0 to 1")
        if self.crop < 0 or self.crop % 32:
            raise ValueError("crop is a multiple of 32 pixels, or 0")


class Content(NamedTuple):
    """What is stylised, as the network takes it."""

    picture: Tensor  # (1, 3, H, W)
    small: Tensor  # (1, 3, h, w) the same in the size of the first pass
    own: tuple[Tensor, Tensor]  # the moments of that one's features
    features: Tensor | None  # (1, C, h / 4, w / 4), where it is one tile


class FastStyle(Family):
    """Stylises in one pass, in styles that it never saw; trained on pictures alone, each the style of another.

    Of unpaired data the second kind gives the styles; of pairs the second of each, and every other step teaches what
    the first becomes, by the look of another part of its partner. A request without styles gets the look of the
    pictures that the model was trained on.
    """

    name = "fast_style"
    title = "a picture in the hand of any other, at once"
    Config = FastStyleConfig
    requests = (Stylize,)
    training_only = ("eye",)
    rows = 1  # pictures and styles have sizes of their own
    labelled = False

    config: FastStyleConfig
    seen_mean: Tensor  # (SEEN,) of what the frozen network's layers say of styles
    seen_spread: Tensor  # (SEEN,) deviations of it
    seen_steps: Tensor  # () that these were learnt in

    def __init__(self, config: FastStyleConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.whole_batch = not spec.has("other")  # styles are other rows
        self.net = StyleNet(SEEN, width=config.net.width, depth=config.net.depth)
        self.eye = efficientnet_lite0()
        channels = self.net.channels
        for name, shape in (("mean", (1, channels)), ("covariance", (1, channels, channels)), ("seen", (1, SEEN))):
            self.register_buffer(f"school_{name}", torch.zeros(shape))
        self.register_buffer("seen_mean", torch.zeros(SEEN))
        self.register_buffer("seen_spread", torch.ones(SEEN))
        self.register_buffer("seen_steps", torch.zeros(()))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"net": torch.optim.Adam(self.net.parameters(), self.config.lr, (0.9, 0.99))}

    @property
    def school(self) -> Look:
        """The mean look of the styles that it was trained on."""
        return Look(*(self.get_buffer(f"school_{name}") for name in Look._fields))

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        told = step % 2 == 1
        content, style, target = self._parts(batch, told)
        places = batch.rng.integers(PERIOD, 2)
        h, other = self.net.encode(content), self.net.encode(style)
        own = moments(h)
        with torch.no_grad():
            layers, hidden = self.eye.within(style)
            wanted = _heard(style, hidden)
        statistics = _statistics(layers)
        self._learn_spread(statistics)
        look = Look(*moments(other), self._standard(statistics))
        self._learn_school(look.detach(), step)
        asked = look.lerp(self.school, self.config.school)
        asked = asked._replace(seen=asked.seen + ASTRAY * batch.rng.normal(SEEN))
        drawn = self.net(h, own, asked, places).float()
        found = _heard(drawn, self.eye.hidden(drawn))
        errors = [_style_error(a, b, self.config.school) for a, b in zip(found, wanted)]
        parts = dict.fromkeys(("content", "identity", "steady", "truth"), drawn.new_zeros(())) | {
            "style": torch.stack(errors).mean(),
            "smoothness": self.config.smoothness * _roughness(drawn),
            "range": RANGE * (drawn - drawn.clamp(-1, 1)).square().mean(),  # or what is clipped later would be lost
        }
        turn, often = (step, 2) if batch.target is None else (step // 2, 4)
        if target is not None:
            parts["truth"] = self.config.truth * self._untruth(drawn, found, target)
        else:
            # what is kept of the content shall not hold on to its colours
            with torch.no_grad():
                known = self.eye.hidden(recoloured(content, style))[CONTENT_MAP - 2].tanh()
            parts["content"] = self.config.content * _content_error(found[CONTENT_MAP], known)
        # each of the two is another pass of the network: they take turns, and count as often as they are left out
        if target is None and turn % 2 == 0:
            noisy = self.net.encode(content + NOISE * batch.rng.normal(*content.shape[1:]))
            steady = self.net(noisy, moments(noisy), asked, places).float()
            parts["steady"] = often * self.config.steady * (steady - drawn).square().mean()
        elif target is None:
            x, features, mine = style, other, look
            if turn % 4 == 1:
                x, features, mine = content, h, Look(*own, self._seen(content))
            again = self.net(features, (mine.mean, mine.covariance), mine, places).float()
            parts["identity"] = often * self.config.identity * (again - x).square().mean()
        yield Update("net", torch.stack(list(parts.values())).sum(), parts)

    def _untruth(self, drawn: Tensor, found: Sequence[Tensor], target: Tensor) -> Tensor:
        """How far what was drawn, and is seen in it, lies from what it should have become.

        Mostly of means over 4x4 pixels and of what is seen of larger places: where each stroke lies nobody can know,
        and a network that is asked for it draws the mean of all that might be, which has no strokes.
        """
        with torch.no_grad():
            known = _heard(target, self.eye.hidden(target))
        seen = torch.stack([_content_error(a, b) for a, b in zip(found[CONTENT_MAP:], known[CONTENT_MAP:])]).mean()
        missed = drawn - target
        return seen + 2 * F.avg_pool2d(missed, FEATURES).abs().mean() + 0.5 * missed.abs().mean()

    def _parts(self, batch: Batch, told: bool) -> tuple[Tensor, Tensor, Tensor | None]:
        """A part of each picture, of its style and, where that is `told`, of what the first becomes (B, 3, h, w).

        The style is then another part of the partner, which has the colours of the one that is asked for: a look is
        no key to what is to be drawn.
        """
        whole = _sized(batch.image)
        side = self.config.crop
        sides = [min(side, length) if side else length for length in whole.shape[-2:]]
        if told and sides == list(whole.shape[-2:]):  # there is no other part: halves are taken
            longer = sides.index(max(sides))
            sides[longer] = max(MULTIPLE, sides[longer] // 2 // MULTIPLE * MULTIPLE)
        room = torch.tensor([(length - part) // MULTIPLE + 1 for length, part in zip(whole.shape[-2:], sides)])
        # at multiples: so a hand of blocks has them where the network has its own
        corners = ((batch.rng.uniform(2, 2).cpu() * room).long() * MULTIPLE).tolist()

        def part(x: Tensor, which: int) -> Tensor:
            places = (places[which] for places in corners)
            return torch.stack([row[:, y : y + sides[0], z : z + sides[1]] for row, (y, z) in zip(x, places)])

        content = part(whole, 0)
        if told and batch.target is not None:
            partner = _sized(batch.target)
            target = part(partner, 0)
            return content, recoloured(part(partner, 1), target), target
        return content, content.roll(1, 0) if batch.other is None else part(_sized(batch.other), 1), None

    @torch.no_grad()
    def _learn_spread(self, statistics: Tensor) -> None:
        """How what is seen (B, SEEN) varies from picture to picture, from the first steps."""
        if self.seen_steps < KNOWN:
            share = 1 / (float(self.seen_steps) + 1)
            mean, variance = statistics.mean(0), statistics.var(0, correction=0)
            between = share * (1 - share) * (mean - self.seen_mean).square()
            self.seen_spread.copy_(self.seen_spread.square().lerp(variance, share).add(between).sqrt())
            self.seen_mean.lerp_(mean, share)
            self.seen_steps += 1

    def _standard(self, statistics: Tensor) -> Tensor:
        """What is seen (B, SEEN), of mean 0 and deviation 1 over pictures."""
        return ((statistics - self.seen_mean) / self.seen_spread.clamp(min=BARELY)).clamp(-MOST, MOST)

    @torch.no_grad()
    def _learn_school(self, look: Look, step: int) -> None:
        weight = max(0.002, 1 / (step + 1))
        for name, part in zip(Look._fields, look):
            self.get_buffer(f"school_{name}").lerp_(part.mean(0, keepdim=True).float(), weight)

    def look(self, x: Tensor) -> Look:
        """The style of pictures (B, 3, H, W) in [-1, 1]."""
        return Look(*moments(self.net.encode(_padded(x))), self._seen(x))

    @torch.no_grad()
    def _seen(self, x: Tensor) -> Tensor:
        """Means and deviations (B, SEEN) of what the frozen network's layers say of pictures, standardised.

        Of large ones it looks at four parts, as large as those that were trained on.
        """
        side = min(self.config.crop, *self.spec.size)
        if side == 0 or max(x.shape[-2:]) <= 2 * side:
            return self._standard(_statistics(self.eye.layers(x)))
        rows, columns = ([max(0, length - side) * share // 4 for share in (1, 3)] for length in x.shape[-2:])
        parts = [x[..., y : y + side, z : z + side] for y in rows for z in columns]
        return self._standard(_statistics(self.eye.layers(torch.cat(parts))).unflatten(0, (len(parts), -1)).mean(0))

    def batch_key(self, request: Any) -> Hashable:
        return request.image.size(), request.image.channels == 4, request.size

    @torch.no_grad()
    def sample(self, requests: Sequence[Stylize]) -> Iterator[Tensor]:
        pictures = []
        for request in requests:
            check_room(size_of(request), HELD + 3 * len(request.masks))
            x, alpha = content_of(request).to(self.device), alpha_of(request)
            picture = self._answer(request, self._content(x), self._looks(request, x))
            pictures.append(picture if alpha is None else torch.cat([picture, alpha.to(picture)], 1))
        yield torch.cat(pictures)

    @torch.no_grad()
    def film(self, request: Stylize, frames: Iterable[Tensor], steady: bool = True) -> Iterator[Tensor]:
        """Each frame (1, 3, H, W) stylised; a steady one takes its moments from the frames before, too."""

        def pairs() -> Iterator[tuple[Tensor, Tensor]]:
            looks: list[Look] = []
            last: tuple[Tensor, tuple[Tensor, Tensor]] | None = None
            for frame in frames:
                check_large((frame.shape[-2], frame.shape[-1]), "a frame", "picture")
                x = frame.to(self.device)
                looks = looks or self._looks(request, x)
                content = self._content(x)
                if steady and last and same_scene(last[0], x):
                    content = content._replace(own=_calmed(content.own, last[1]))
                last = x, content.own
                yield x, self._answer(request, content, looks)

        yield from steadied(pairs()) if steady else (x for _, x in pairs())

    def _content(self, x: Tensor, small: Tensor | None = None) -> Content:
        small = resized(x, scales(max(x.shape[-2:]))[0]) if small is None else small
        longest = max(small.shape[-2:])
        features = self.net.encode(_padded(resized(small, min(WHOLE, longest))))
        return Content(x, small, moments(features), features if longest <= TILE else None)

    def _looks(self, request: Stylize, x: Tensor) -> list[Look]:
        """The mean of the styles, or where there are masks each of them; with chaos, strayed."""
        styles = styles_of(request, min(LONGEST, max(x.shape[-2:])))
        looks = [self.look(style.to(self.device)).lerp(self.school, self.config.school) for style in styles]
        if not request.masks:
            shares = shares_of(request)
            looks = [_mean(looks, shares)] if looks else [self.school]
        return [_strayed(look, request) for look in looks]

    def _answer(self, request: Stylize, content: Content, looks: list[Look]) -> Tensor:
        """One picture (1, 3, H, W) of a content and the looks."""
        given = content.picture
        pictures = [self._drawn(content, look, request.strength) for look in looks]
        size = (given.shape[-2], given.shape[-1])
        masks = [mask.to(given) for mask in masks_of(request, size)]
        x = laid_over(given, pictures, masks) if masks else pictures[0]
        return coloured_like(x, given) if request.keep_colours else x

    def _drawn(self, content: Content, look: Look, strength: float) -> Tensor:
        """The content in a look; below full strength, with what the network loses of the content added back."""
        if strength == 1:
            return self._rendered(content, look).clamp(-1, 1)
        given = content.picture
        mine = Look(*content.own, self._seen(resized(given, min(LONGEST, max(given.shape[-2:])))))
        lost = given - self._rendered(content, mine)
        return (self._rendered(content, mine.lerp(look, strength)) + (1 - strength) * lost).clamp(-1, 1)

    def _rendered(self, content: Content, look: Look) -> Tensor:
        """A content (1, 3, H, W) in a look, from coarse to fine: each pass draws on what the one before has drawn."""
        x = self._once(content, look)
        for long in scales(max(content.picture.shape[-2:]))[1:]:
            x = self._once(self._content(x, resized(x, long)), look)
        return x

    def _once(self, content: Content, look: Look) -> Tensor:
        """What the network makes of the small picture, tile by tile; margins hold all that it looks at."""
        height, width = content.small.shape[-2:]
        if content.features is not None:
            place = torch.zeros(1, 2, dtype=torch.int64, device=self.device)
            whole: Tensor = self.net(content.features, content.own, look, place).float()
            return whole[..., :height, :width]
        x, margin = _padded(content.small), 32 * self.config.net.depth + 40
        out = torch.empty_like(x)
        for top, left, bottom, right in boxes(x.shape[-2], x.shape[-1], TILE):
            above, before = min(margin, top), min(margin, left)
            seen = x[..., top - above : bottom + margin, left - before : right + margin]
            place = torch.tensor([[(top - above) // FEATURES, (left - before) // FEATURES]], device=x.device)
            part = self.net(self.net.encode(seen), content.own, look, place)
            inner = part[..., above : above + bottom - top, before : before + right - left]
            out[..., top:bottom, left:right] = inner
        return out[..., :height, :width]


def scales(long: int) -> list[int]:
    """The long sides of the passes, coarse to fine: a network's strokes have a size in pixels, a painter's have not."""
    halvings = max(0, round(math.log2(long / COARSEST)))
    return [round(long / 2**k) for k in range(halvings, -1, -1)]


def _sized(x: Tensor) -> Tensor:
    """Pictures of any channels as (B, 3, H, W) of which the network takes the sides."""
    return _padded(over_grey(x).expand(-1, 3, -1, -1))


def _padded(x: Tensor) -> Tensor:
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % MULTIPLE, 0, -height % MULTIPLE), mode="replicate")


def _style_error(x: Tensor, y: Tensor, school: float) -> Tensor:
    """The relative errors of mean and covariance of maps (B, C, h, w); `school` of the target is the mean over rows.

    A Gram matrix is the covariance and the mean's square, which is most of it where maps are rectified, and hides how
    strokes vary.
    """
    if school == 0 and x.shape[1] > x.shape[2] * x.shape[3]:
        return _narrow_style_error(x, y)
    found = []
    for a, b in zip(moments(x), moments(y)):
        a, b = a.flatten(1), b.lerp(b.mean(0, keepdim=True), school).flatten(1)
        found.append(_relative((a - b).square().sum(1), a.square().sum(1), b.square().sum(1)))
    return torch.stack(found).mean()


def _narrow_style_error(x: Tensor, y: Tensor) -> Tensor:
    """The same of maps of more channels than places, whose covariances are compared by way of the places.

    With centred features X (C, N) of covariance X X^T / N, the product of two covariances is |X^T Y|^2 / N^2.
    """
    with torch.autocast(x.device.type, enabled=False):
        a, b = x.float().flatten(2), y.float().flatten(2)
        a_mean, b_mean = a.mean(2, keepdim=True), b.mean(2, keepdim=True)
        a, b = ((flat - mean) / flat.shape[2] ** 0.5 for flat, mean in ((a, a_mean), (b, b_mean)))
        aa, ab, bb = ((left.mT @ right).square().sum((1, 2)) for left, right in ((a, a), (a, b), (b, b)))
        missed, *sizes = ((m * m).sum((1, 2)) for m in (a_mean - b_mean, a_mean, b_mean))
        return (_relative(missed, *sizes) + _relative(aa - 2 * ab + bb, aa, bb)).mean() / 2


def _relative(missed: Tensor, found: Tensor, wanted: Tensor) -> Tensor:
    """A squared difference over the mean of the squares of both.

    Over one alone a calm style's error would be that of hundreds of others.
    """
    return 2 * missed / (found.detach() + wanted).clamp(min=FAINT)


def _heard(x: Tensor, hidden: Sequence[Tensor]) -> list[Tensor]:
    """Colours of pictures (B, 3, H, W), how they differ within patches of 3x3 pixels, and softened maps (`style.py`).

    Colours stand apart, since the fine differences to them would not be heard. No patch overlaps another: 3 has
    nothing in common with the network's grid, so every place of that is heard, too.
    """
    height, width = (side // 3 * 3 for side in x.shape[-2:])
    patches = F.pixel_unshuffle(x[..., :height, :width], 3).unflatten(1, (3, 9))
    return [x, (patches - patches[:, :, 4:5]).flatten(1, 2), *map(torch.tanh, hidden)]


def _statistics(layers: Sequence[Tensor]) -> Tensor:
    """Means and deviations of maps (B, C, h, w), of one after the other (B, 2 C + ...)."""
    found = [torch.cat([h.mean((2, 3)), h.std((2, 3), correction=0)], 1) for h in layers]
    return torch.cat(found, 1).float()


def _content_error(x: Tensor, y: Tensor) -> Tensor:
    """How much maps (B, C, h, w) differ, over what is there."""
    x, y = x.float(), y.float()
    return ((x - y).square().sum((1, 2, 3)) / y.square().sum((1, 2, 3))).mean()


def _roughness(x: Tensor) -> Tensor:
    return x.diff(dim=2).square().mean() + x.diff(dim=3).square().mean()


def _mean(looks: Sequence[Look], shares: Sequence[float]) -> Look:
    """The mean of looks, weighed by shares that sum to 1."""
    parts = (torch.stack([share * part for share, part in zip(shares, same)]).sum(0) for same in zip(*looks))
    return Look(*parts)


def _strayed(look: Look, request: Stylize) -> Look:
    """A look that `chaos` moves at random, by as much as what is seen and the features vary."""
    if not request.chaos:
        return look
    far = request.chaos / 100
    noise = row_noise([request.seed], (look.seen.shape[1],), "seen").to(look.seen)
    move = row_noise([request.seed], (look.mean.shape[1],), "mean").to(look.mean)
    deviation = look.covariance.diagonal(dim1=1, dim2=2).sqrt()
    return look._replace(seen=look.seen + far * noise, mean=look.mean + far * deviation * move)


def _calmed(now: tuple[Tensor, Tensor], before: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return now[0].lerp(before[0], CALM), now[1].lerp(before[1], CALM)
