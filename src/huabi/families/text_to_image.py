"""Text to image: rectified flow in pixels or in an autoencoder's codes, told what to draw by words and otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .. import truth
from ..diffusion import Flow, denoise, diffusion_loss
from ..errors import DataError, RequestError, RunError
from ..model import Batch, DataSpec, Family, Finished, Update
from ..nets.text import words_of
from ..nets.textnet import TextNet, shape_for
from ..nets.unet import Context
from ..optim import Muon
from ..pictures import Picture
from ..requests import Edit, Generate, Imagine, Paper, Vary
from ..rng import row_noise
from ..sampling import dpmpp_2m, euler, guided
from ._codec import Codec, CodecConfig, Pixels, Standard, codes_of
from ._condition import ContextConfig, Shown, joined
from ._conditions import Conditions, chaotic
from ._edits import around, canvas_of, redrawn, resized, within, working_size
from ._meaning import Embedding, Meaning, Walk, end_of
from ._plan import PlanConfig, Planner
from ._reading import ContrastReader, Reading, reader_of
from ._rows import labels_of, latents_of, pixels_of, refuse
from ._shortcut import FEW, STRIDES, ShortcutConfig, consistent, stride_between, stride_times
from .vae import Autoencoder

SMALL = 32  # pixels a side, up to which `autoencoder=auto` is none
LEAST = 4  # pixels a side of what is drawn
SETTLING = 100  # steps in which the codes of a given autoencoder are standardised
LARGEST = 4  # times the trained area
Asked = Imagine | Edit | Vary | Generate


@dataclass(frozen=True)
class NetConfig:
    """The network's shape; patches and levels follow from the latents' size."""

    width: int = 128  # channels of the first level; each further one has a quarter of them more
    depth: int = 2  # blocks of a level but the lowest, on the way down and again on the way up
    attention: int = 2  # how many of the lowest levels attend, to themselves and to what is said

    def __post_init__(self) -> None:
        if self.width < 16 or self.depth < 1 or self.attention < 1:
            raise ValueError("net.width is at least 16, net.depth and net.attention at least 1")


@dataclass(frozen=True)
class Texts:
    """What draws is told texts themselves, and reference pictures by their latents."""

    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class TextToImageConfig:
    """Settings of `text_to_image`."""

    condition: Texts | Embedding = field(default_factory=Texts)
    contrast: str = ""  # a run of `contrast`, of condition=embedding alone
    text: str = ""  # who reads texts, frozen: a run of `contrast`, or hf:NAME; none is learnt with the rest
    reading: Reading = field(default_factory=Reading)  # found out by itself
    autoencoder: str = "auto"  # train, none: pixels, or a run that has one; auto is none up to 32 pixels a side
    sha256: str = ""  # of that run's weights; found out by itself
    coding: float = 0.25  # share of the run in which an autoencoder is trained
    coarse: int = 1  # pictures are drawn at this part of their sides, from means; a further run starts there (--init)
    batch: int = 64
    lr: float = 5e-3  # of the hidden matrices (Muon) and of all else (AdamW)
    warmup: int = 100  # steps
    ema: float = 0.05  # length of the weight average, as a share of the run
    guidance: float = 3.0  # when a request names none, and of few steps; 1 is off
    steps: int = 18  # when a request names none
    net: NetConfig = field(default_factory=NetConfig)
    context: ContextConfig = field(default_factory=ContextConfig)
    plan: PlanConfig = field(default_factory=PlanConfig)  # for data that knows what is seen where
    shortcut: ShortcutConfig = field(default_factory=ShortcutConfig)
    codec: CodecConfig = field(default_factory=CodecConfig)

    def __post_init__(self) -> None:
        if not 0 < self.coding < 1:
            raise ValueError("coding lies between 0 and 1")
        if min(self.coarse, self.steps) < 1 or self.guidance < 0:
            raise ValueError("coarse and steps are at least 1, guidance at least 0")


class TextToImage(Family):
    """A network that removes noise from latents, told by `Conditions` what they shall become.

    Where an autoencoder is trained first, that is the first part of the same run; see `losses`.
    """

    name = "text_to_image"
    title = "draws what is said, in English and Chinese; edits and varies pictures"
    Config = TextToImageConfig
    requests = (Imagine, Edit, Vary, Generate)
    wants = ("sound",)
    training_only = ("autoencoder", "standard")
    rows = 4  # candidates of a prompt

    config: TextToImageConfig
    began: Tensor

    def __init__(self, config: TextToImageConfig, spec: DataSpec) -> None:
        super().__init__(config, spec)
        self.drawn = drawn = replace(spec, size=self.paper.size)
        if min(drawn.size) < LEAST:
            raise RequestError(f"coarse={config.coarse} leaves less than {LEAST} pixels a side; choose a smaller one")
        self.source = self.source_of(config, spec)
        self.autoencoder: Autoencoder | None = None
        self.standard: Standard | None = None
        self.codec: Pixels | Codec = Pixels(drawn)
        if self.source != "none":
            autoencoder = Autoencoder(config.codec.whole(), drawn)
            self.codec, self.standard = Codec(autoencoder), Standard(config.codec.length)
            self.autoencoder = autoencoder if self.source == "train" else None
        channels, *grid = self.codec.shape
        whole = [config.coarse * side for side in grid]  # what it is shaped for, so that another run can go on
        shape: dict[str, Any] = shape_for(max(whole), config.net.width)
        shape |= {"strides": STRIDES, "depth": config.net.depth, "attention": config.net.attention}
        self.planner: Planner | None = None
        if spec.facts and config.plan.depth:
            self.planner = Planner(spec.facts, spec.size, config.plan, config.context.width)
            shape["places"] = Planner.channels
        self.net = TextNet(channels, config.context.width, **shape)
        self.meaning: Meaning | None = None
        shown: tuple[int, ...] = (channels, *whole)
        if isinstance(config.condition, Embedding):
            self.meaning = Meaning(spec, config.condition, config.context)
            shown = (config.condition.sight.features,)
        if config.text and not (spec.captions or spec.labels):
            raise DataError("there is nothing to read in this data; leave --set text out, or add captions")
        reader = reader_of(config.text, config.reading, config.context.width)
        self.conditions = Conditions(spec, config.context, shown, reader)
        # words count near pure noise alone, and what pixels share is seen through more of it; codes are standardised
        mean, sigma = (1.0, 0.5) if self.source == "none" else (0.0, 1.0)
        self.path = Flow(mean=mean if self.planner is None else Flow.mean, sigma_data=sigma)
        self.register_buffer("began", torch.tensor(-1))  # the step in which the flow's training began

    @staticmethod
    def source_of(config: TextToImageConfig, spec: DataSpec) -> str:
        """Where the autoencoder comes from: none, train, or a run."""
        if config.autoencoder == "auto":
            return "none" if max(spec.size) <= SMALL else "train"
        return config.autoencoder

    @classmethod
    def paper_of(cls, config: TextToImageConfig, spec: DataSpec) -> Paper:
        size = spec.size[0] // config.coarse, spec.size[1] // config.coarse
        unit = 1 if cls.source_of(config, spec) == "none" else config.codec.factor
        return Paper(size, unit, LARGEST * math.prod(size))

    @classmethod
    def fit(cls, config: TextToImageConfig, steps: Callable[[Any], float] | None = None) -> TextToImageConfig:
        """`config` with the shapes and the hashes of the runs that it names."""
        if isinstance(config.condition, Embedding) != bool(config.contrast):
            raise RequestError("--set condition=embedding and --set contrast=RUN go together; say both, or neither")
        if isinstance(config.condition, Embedding):
            config = replace(config, condition=config.condition.of(config.contrast))
        if config.text:
            if config.contrast:
                raise RequestError("condition=embedding reads texts as its contrast run does; leave --set text out")
            config = replace(config, reading=config.reading.of(config.text))
        if config.autoencoder in ("auto", "train", "none"):
            return config
        settings, _, sha256 = codes_of(config.autoencoder)
        return replace(config, sha256=sha256, codec=config.codec.of(settings))

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        found: dict[str, torch.optim.Optimizer] = {}
        if self.autoencoder is not None:
            found |= self.autoencoder.optimizers()
        if self.standard is not None:
            found["standard"] = torch.optim.Adam(self.standard.parameters(), lr=0.03)
        if self.meaning is not None:
            found["prior"] = Muon.of(self.meaning, lr=self.config.lr)
        drawing = [self.net, self.conditions]
        if self.planner is not None:
            found["plan"] = Muon.of(nn.ModuleList([self.conditions, self.planner.net]), lr=self.config.lr)
            drawing = [self.net, self.planner.telling]
        return found | {"net": Muon.of(nn.ModuleList(drawing), lr=self.config.lr)}

    def stage(self, total: int | None) -> tuple[int, int | None]:
        if total is None or int(self.began) >= 0:
            return max(0, int(self.began)), total
        return 0, math.ceil(self._first_steps(total)) or total

    def losses(self, batch: Batch, step: int) -> Iterator[Update]:
        """First the autoencoder's and the plans' turns, then the flow's, built on them; the prior's in each step.

        A run of one step, by which memory is measured, does both. `began` holds the step in which the flow began: a
        run that is made longer does not bring the first part back.
        """
        meant = None
        if self.config.coarse > 1:
            batch = batch._replace(image=nn.functional.avg_pool2d(batch.image, self.config.coarse))
        if self.meaning is not None:
            if step == 0:
                self.meaning.adopt(self.config.contrast)
            meant = self.meaning.see(batch.image)  # (B, D)
            yield Update("prior", self.meaning.loss(batch, meant))
        if step == 0:
            self._adopt()
            if int(self.began) >= 0:
                self._go_on()
        if int(self.began) < 0 and step >= self._first_steps(self.planned):
            self.began.fill_(step)
        first = int(self.began) < 0
        if first and isinstance(self.codec, Codec) and step > int(self.codec.followed):
            yield from self._code(self.codec, batch, step)
        if first and self.planner is not None:
            assert batch.truth is not None
            context, *_ = self.conditions.of_batch(batch, self._encoded(batch) if meant is None else meant)
            yield Update("plan", self.planner.loss(batch.truth, context, batch.rng.uniform(1)[:, 0]))
        if not first or self.planned == 1:
            yield self._flow(batch, step, meant)

    def _adopt(self) -> None:
        reader = self.conditions.reader
        if isinstance(reader, ContrastReader):
            reader.adopt(self.config.text, self.config.reading.sha256)

    @torch.no_grad()
    def _go_on(self) -> None:
        """From the weights of another run: its codes stay as they are, and its plans are learnt on."""
        self.began.fill_(0 if self.planner is None else -1)
        if isinstance(self.codec, Codec):
            if self.autoencoder is None and not self.codec.agrees(self.source):
                raise RunError(f"--init draws in other codes than those of {self.source}; name its autoencoder")
            self.codec.followed.fill_(torch.iinfo(torch.int64).max)

    def _first_steps(self, total: int) -> float:
        """Steps before those of the flow, in a run of `total`."""
        plans = 0.0 if self.planner is None else self.config.plan.share * total
        if self.standard is None:
            return plans
        coding = self.config.coding * total
        return max(plans, coding if self.autoencoder is not None else min(SETTLING, coding))

    def _code(self, codec: Codec, batch: Batch, step: int) -> Iterator[Update]:
        assert self.standard is not None
        if self.autoencoder is not None:
            yield from self.autoencoder.losses(batch, step)
        elif step == 0:
            codec.adopt(self.source, self.config.sha256)
        with torch.no_grad():
            codes = codec.codes(batch.image)
        yield Update("standard", self.standard.nll(codes))
        codec.follow(self.autoencoder, self.standard, step)

    def _flow(self, batch: Batch, step: int, meant: Tensor | None) -> Update:
        x0 = self._encoded(batch)  # (B, C, h, w)
        t = batch.rng.apply(self.path.draw)  # (B,)
        eps = batch.rng.normal(*x0.shape[1:])
        with torch.set_grad_enabled(self.planner is None):  # plans are written for what they were learnt from
            context, rest, some = self.conditions.of_batch(batch, x0 if meant is None else meant)
        if self.planner is not None:
            assert batch.truth is not None
            amount = (batch.rng.uniform(1)[:, 0] >= self.config.plan.drop) & some
            seen = self.planner.sentences.of_truth(batch.truth)
            context = joined([context, self.planner.plan(seen, amount.float())])
        stride = torch.zeros(len(x0), dtype=torch.int64, device=x0.device)
        if self.config.shortcut.share and step >= self._strides_from():
            x0, eps, t, stride = self._strided(batch, x0, eps, t, context, rest)
        loss = diffusion_loss(self.net, self.path, x0, eps, t, context=context, stride=stride).mean()
        return Update("net", loss)

    @torch.no_grad()
    def _encoded(self, batch: Batch) -> Tensor:
        return self.codec.encode(batch.image)

    def _strides_from(self) -> float:
        began = int(self.began)
        return began + self.config.shortcut.start * (self.planned - began)

    def _strided(
        self, batch: Batch, x0: Tensor, eps: Tensor, t: Tensor, context: Context, rest: Context
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(x0, eps, t, stride), in some rows of which strides are to be learnt, under guidance from `rest`."""
        stride = 1 + batch.rng.integers(STRIDES)  # (B,)
        u = batch.rng.uniform(2)
        stride = torch.where(u[:, 0] < self.config.shortcut.share, stride, 0)
        rows = stride.nonzero()[:, 0]
        if not len(rows):
            return x0, eps, t, stride
        known = (x0[rows], eps[rows], stride[rows], u[rows, 1], context.rows(rows), rest.rows(rows))
        learnt = consistent(self.net, self.path, *known, self.config.guidance)
        put = [whole.index_copy(0, rows, part) for whole, part in zip((x0, eps, t), learnt)]
        return put[0], put[1], put[2], stride

    def decode(self, x: Tensor) -> Tensor:
        return x.as_subclass(Tensor) if isinstance(x, Finished) else self.codec.decode(x)

    def batch_key(self, request: Asked) -> Hashable:
        asked = self._asked(request)
        way = asked.size, asked.steps, asked.strength, self._guidance(asked) == 1, self._strides(asked)
        given: tuple[Hashable, ...] = (asked.image is not None,)
        if isinstance(request, Edit):
            given = request.image, request.mask, request.expand
        rooms = self.conditions.rooms(asked), () if self.meaning is None else self.meaning.rooms(asked)
        return type(request), way, given, rooms

    def unread(self, text: str) -> str:
        reader = self.conditions.reader if self.meaning is None else self.meaning.text.encoder
        return " ".join(words_of(text)[reader.count(text) :]) if reader is not None else ""

    @torch.no_grad()
    def sample(self, requests: Sequence[Asked]) -> Iterator[Tensor]:
        asked = [self._asked(request) for request in requests]
        first = requests[0]
        if isinstance(first, Edit):
            yield from (made.as_subclass(Finished) for made in redrawn(requests, self._edit))  # type: ignore[arg-type]
            return
        size = self._size(asked[0])
        channels, factor = self.codec.shape[0], self.codec.factor
        shape = (channels, size[0] // factor, size[1] // factor)
        walks = [request for request in requests if isinstance(request, Generate) and not self._ends(request)]
        eps = latents_of(walks, shape) if walks else row_noise([request.seed for request in asked], shape)
        start = [self._see(request.image, size) for request in asked if request.image is not None]
        yield from self._solve(asked, eps.to(self.device), torch.stack(start) if start else None)

    def _edit(self, request: Edit) -> Iterator[Tensor]:
        """Estimates (C, H, W) of a canvas, whose part outside the mask is what is given, to the bit.

        What is known of the latents is the estimate of itself at all times, so that it follows the straight line from
        its noise, and what is drawn sees it as it is at that time (Lugmayr et al. 2022, section 4.1).
        """
        canvas = canvas_of(request, self.drawn, self.device)
        if not request.strength:
            yield canvas.whole
            return
        full = (canvas.part.shape[1], canvas.part.shape[2])
        size = working_size(full, self.drawn.size, self.codec.factor)
        start = self.codec.encode(resized(canvas.part[None], size))
        hole = nn.functional.adaptive_max_pool2d(canvas.mask.float(), start.shape[-2:]) > 0
        eps = row_noise([request.seed], start.shape[1:]).to(self.device)
        for estimate in self._solve([self._asked(request)], eps, start, hole):
            yield canvas.joined(resized(self.codec.decode(estimate), full)[0])

    def _solve(
        self, asked: Sequence[Imagine], eps: Tensor, start: Tensor | None, hole: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Latents from noise (B, C, h, w), or from `start` (B, C, h, w) at a time in between (Meng et al. 2022).

        Outside of `hole` (1, h, w), `start` is kept.
        """
        first = asked[0]
        strength = 1.0 if start is None else first.strength
        strided, steps = self._strides(first), first.steps or self.config.steps
        if start is not None and not strength:
            yield start
            return
        told, unwanted = self._told(asked, start is not None, hole)

        def estimate(x: Tensor, t: Tensor, context: Callable[[float], Context]) -> Tensor:
            number = stride_between(t.item(), following[t.item()]) if strided else 0
            stride = torch.full((len(x),), number, device=x.device)
            return denoise(self.net, self.path, x, t, context=context(t.item()), stride=stride)

        times = (stride_times(steps) if strided else self.path.times(steps)) * strength
        following = dict(zip(times[:-1].tolist(), times[1:].tolist()))
        guidance = torch.tensor([self._guidance(request) for request in asked], device=self.device)
        heard = {"context": told}, {"context": lambda t: unwanted}
        denoiser = guided(estimate, *heard, guidance)
        if start is not None and hole is not None:
            denoiser = around(denoiser, start, hole)
        x = eps if start is None else self.path.mix(start, eps, times[0])
        yield from (euler if strided else dpmpp_2m)(denoiser, x, times)

    def _told(
        self, asked: Sequence[Imagine], given: bool, hole: Tensor | None
    ) -> tuple[Callable[[float], Context], Context]:
        """What requests say, as it is heard at each time, and what is unwanted; where no picture is given, with a plan.

        In a `hole` (1, h, w) of a given picture, the plan is of what is there.
        """
        heard, unwanted = self._heard(asked)
        if self.planner is None or (given and hole is None):
            return heard, unwanted
        walks = any(request.between is not None for request in asked)
        plan = self._walked(asked) if walks else self.planner.plan(self._written(asked, heard(1.0), unwanted))
        if hole is not None and plan.places is not None:
            plan = plan._replace(places=within(plan.places, hole))
        return lambda t: joined([heard(t), plan]), unwanted

    def _heard(self, asked: Sequence[Imagine]) -> tuple[Callable[[float], Context], Context]:
        """What requests say, at each time, and what is unwanted."""
        said = self.conditions.of_requests(asked, self._shown)
        return chaotic(said, asked), self.conditions.unwanted(asked)

    def _walked(self, asked: Sequence[Imagine]) -> Context:
        """The plans of both ends of walks, which fade from one into the other; row by row, as ends take other rooms."""
        assert self.planner is not None
        rows = []
        for request in asked:
            sides = []
            for side, share in enumerate((1 - request.fraction, request.fraction)):
                end = end_of(request, side)
                heard, unwanted = self._heard([end])
                amount = unwanted.pooled.new_tensor([share])
                sides.append(self.planner.plan(self._written([end], heard(1.0), unwanted), amount))
            where = [side.places for side in sides if side.places is not None]
            rows.append(joined(sides)._replace(places=torch.stack(where).sum(0)))
        states, weights, vectors, places = zip(*rows)
        return Context(torch.cat(states), torch.cat(weights), torch.cat(vectors), torch.cat(places))

    @torch.no_grad()
    def plans(self, requests: Sequence[Asked]) -> list[truth.Reading]:
        """What is planned for requests of one `batch_key`; nothing by a run without plans."""
        if self.planner is None:
            return []
        asked = [self._asked(request) for request in requests]
        heard, unwanted = self._heard(asked)
        return self.planner.sentences.readings(self._written(asked, heard(1.0), unwanted))

    def _written(self, asked: Sequence[Imagine], said: Context, unwanted: Context) -> Tensor:
        """Plans as sentences, led as many times as far as usual as the flow is."""
        assert self.planner is not None
        stray = torch.tensor([request.chaos / 100 for request in asked], device=said.pooled.device)
        usual = self.config.guidance - 1 or 1.0
        far = torch.tensor([self._led(request) / usual for request in asked], device=stray.device)
        guidance = 1 + (self.planner.config.guidance - 1) * far
        return self.planner.write(said, unwanted, [request.seed for request in asked], stray, guidance)

    def _asked(self, request: Asked) -> Imagine:
        """The request as one to imagine something; its strength is 1 where it starts from noise."""
        match request:
            case Imagine():
                return request if request.image is not None else request.model_copy(update={"strength": 1.0})
            case Vary():
                given = {"image": request.image, "reference": request.image, "prompt": request.words}
                return Imagine.model_validate(given | {"seed": request.seed, "strength": request.strength})
            case Edit():
                fields = ("prompt", "negative", "strength", "seed", "steps", "guidance")
                return Imagine(**{name: getattr(request, name) for name in fields})
        refuse(request, "truncation", "mix", "solver", why="text_to_image draws without it")
        if ends := self._ends(request):
            same = {name: getattr(request, name) for name in ("seed", "label", "steps", "guidance", "fraction")}
            return Walk(ends=ends, reference=ends[0], strength=1.0, **same)
        drawn = labels_of([request], self.spec)
        label = None if drawn is None else self.spec.labels[int(drawn)]
        return Imagine(seed=request.seed, label=label, steps=request.steps, guidance=request.guidance, strength=1.0)

    def _size(self, asked: Imagine) -> tuple[int, int]:
        """Rows and columns of the picture; raises `RequestError` where the model cannot draw it."""
        size = asked.size or self.paper.size
        self.paper.check(size)
        return size

    def _ends(self, request: Generate) -> tuple[Picture, Picture] | None:
        """The pictures that a request walks between, where what pictures mean is known."""
        match request.between:
            case (Picture() as first, Picture() as second) if self.meaning is not None:
                return first, second
        return None

    def _shown(self, asked: Sequence[Imagine]) -> Shown | None:
        """What the pictures that are asked for show, as `conditions` are told it."""
        if self.meaning is not None:
            return self.meaning.of_requests(asked)
        pictures = [request.reference for request in asked]
        if not any(pictures):
            return None
        blank = torch.zeros(self.codec.shape, device=self.device)
        amount = torch.tensor([float(picture is not None) for picture in pictures], device=self.device)
        return Shown(torch.stack([blank if p is None else self._see(p) for p in pictures]), amount)

    def _see(self, picture: Picture, size: tuple[int, int] | None = None) -> Tensor:
        """The latents (C, h, w) of a picture, cropped to a size, which is the trained one by default."""
        spec = replace(self.drawn, size=size or self.drawn.size)
        return self.codec.encode(pixels_of(picture, spec)[None].to(self.device))[0]

    def _strides(self, asked: Imagine) -> bool:
        """Whether few strides do: they hold the trained guidance, and start from noise."""
        few = (asked.steps or self.config.steps) <= FEW and self.config.shortcut.share > 0
        plain = asked.guidance in (None, self.config.guidance) and asked.stylize == 100 and not asked.chaos
        return few and plain and asked.strength == 1 and not self.conditions.denies(asked)

    def _guidance(self, asked: Imagine) -> float:
        """How strongly a request is obeyed."""
        planned = self.planner is not None and asked.image is None
        obeyed = not self._strides(asked) and (planned or self.conditions.says(asked))
        return 1 + self._led(asked) if obeyed else 1.0

    def _led(self, asked: Imagine) -> float:
        """How far guidance leads, 0 is not at all: `stylize` widens that by its fourth root."""
        guidance = self.config.guidance if asked.guidance is None else asked.guidance
        return (guidance - 1) * math.sqrt(math.sqrt(asked.stylize / 100))
