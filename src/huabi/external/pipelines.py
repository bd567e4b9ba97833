"""A diffusers pipeline as a Model: its steps are estimates, and the last one is the picture."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from ..errors import RequestError
from ..machine import pick_device, pick_threads
from ..model import DataSpec, Identity, Model
from ..requests import Edit, Imagine, Vary
from ..rng import generator
from .canvas import Canvas
from .latents import Colours, decoded, has_grid, unpacked
from .memory import Placement, placed
from .opening import connected, hushed, native_size, open_pipeline
from .source import Source
from .steps import stepwise
from .words import accepted, prompts, said, unread

Task = Literal["text", "image", "mask"]
UNKNOWN = (
    "label", "style", "mood", "mood_weight", "sound", "reference", "text_weight", "chaos", "stylize",
)  # fmt: skip
TRUE_GUIDANCE = 4.0  # of models that were distilled, once they shall keep something out and no guidance is asked for


class Pipeline(Model):
    """Any text-to-image pipeline of diffusers: prompts, and pictures where its class has a form that takes them.

    Each row has a generator of its own by its seed. Between steps it yields latents (B, C, h, w), which `decode` shows
    as a sketch, and in the end pictures (B, 3, H, W). Its own safety checker stays as it was shipped.
    """

    requests = (Imagine, Edit, Vary)

    def __init__(self, pipe: Any, placement: Placement | None = None, device: torch.device | None = None) -> None:
        self.spec = DataSpec(native_size(pipe))
        self.factor = int(getattr(pipe, "vae_scale_factor", 8))  # pixels of a latent's side
        self.placement, self.device = placement, device
        self._pipes: dict[Task, Any] = {"text": pipe}
        self._ready: Any = None  # the one of them that brings parts to the device and back
        self._colours: Colours | None = None
        if placement is not None:
            self._settle(pipe, placement)

    @classmethod
    def load(cls, name: str, device: str = "auto") -> Pipeline:
        """The model called `name`, placed by the memory that is free; see `huabi.external.load`."""
        source, target = Source.of(name), pick_device(device)
        placement = placed(source.sizes, target)
        model = cls(open_pipeline(source, placement.dtype), placement, target)
        family = type(model.pipe).__name__
        model.identity = Identity(source.hash(), family, 1, pick_threads(), placement.precision, target.type)
        return model

    @property
    def pipe(self) -> Any:
        """The text-to-image pipeline."""
        return self._pipes["text"]

    def _settle(self, pipe: Any, placement: Placement) -> None:
        vae: Any = getattr(pipe, "vae", None)
        if hasattr(vae, "enable_slicing"):
            vae.enable_slicing()  # rows are decoded one by one
        if placement.tiled and hasattr(vae, "enable_tiling"):
            vae.enable_tiling()
        if placement.offload == "sequential" and hasattr(pipe, "enable_attention_slicing"):
            pipe.enable_attention_slicing()
        if placement.offload == "none":
            pipe.to(self.device)

    def _brought(self, task: Task) -> Any:
        """The pipeline of `task`, ready to draw."""
        if task not in self._pipes:
            self._pipes[task] = connected(self.pipe, task)
        pipe = self._pipes[task]
        if self.placement is not None and self.placement.offload != "none" and pipe is not self._ready:
            with hushed():
                bring = {"model": pipe.enable_model_cpu_offload, "sequential": pipe.enable_sequential_cpu_offload}
                bring[self.placement.offload](device=self.device)
            self._ready = pipe
        return pipe

    def unread(self, text: str) -> str:
        return unread(self.pipe, text)

    def batch_key(self, request: Any) -> Hashable:
        asked = [getattr(request, name, None) for name in ("size", "steps", "guidance", "strength", "expand")]
        pictures = (getattr(request, name, None) for name in ("image", "mask"))
        return (type(request), *asked, *(p.sha256 if p else None for p in pictures), bool(said(request)[1]))

    def sample(self, requests: Sequence[Any]) -> Iterator[Tensor]:
        first = requests[0]
        for request in requests:
            _refuse(request)
        canvases = [Canvas.of(request, self.spec, max(8, 2 * self.factor)) for request in requests]
        task = _task(first)
        if task != "text" and not first.strength:
            yield torch.stack([canvas.image for canvas in canvases if canvas.image is not None])
            return
        pipe = self._brought(task)
        given = prompts(pipe, [said(request) for request in requests]) | _inputs(pipe, canvases)
        given |= _choices(pipe, first, "negative_prompt" in given or "negative_prompt_embeds" in given)
        given["generator"] = [generator("row", request.seed) for request in requests]
        yield from stepwise(lambda show: self._draw(pipe, given, canvases, show))

    def _draw(
        self, pipe: Any, given: dict[str, Any], canvases: Sequence[Canvas], show: Callable[[Tensor], None]
    ) -> Tensor:
        """Runs the pipeline to its end; `show` sees the latents after each step. Pictures (B, 3, H, W) in [-1, 1]."""
        last: list[Tensor] = []

        def look(latents: Tensor) -> None:
            last[:] = [unpacked(pipe, latents, canvases[0].work)] if has_grid(pipe) else []
            show(last[0] if last else torch.empty(len(canvases), 0))

        try:
            out = pipe(**given, **_callback(pipe, look), output_type="pt")
        except torch.OutOfMemoryError:
            rows, columns = canvases[0].work
            raise RequestError(f"out of memory at {columns}x{rows} pixels; ask for a smaller size") from None
        except ValueError as error:
            raise RequestError(f"{type(pipe).__name__}: {str(error).strip().partition(chr(10))[0]}") from None
        x = out.images.float().cpu() * 2 - 1
        withheld = getattr(out, "nsfw_content_detected", None) or [False] * len(x)
        broken = [bool(_empty(row)) and not hidden for row, hidden in zip(x, withheld)]
        if any(broken):
            again, found = self._again(pipe, x, last)
            x = torch.stack([old if hidden else new for old, new, hidden in zip(x, again, withheld)])
            withheld = [a or b for a, b in zip(withheld, found)]
        if any(withheld):
            warnings.warn("the model's own safety checker withheld a picture: it is black", stacklevel=2)
        return torch.stack([canvas.finished(row) for canvas, row in zip(canvases, x)])

    def _again(self, pipe: Any, x: Tensor, last: list[Tensor]) -> tuple[Tensor, Sequence[bool]]:
        """Pictures that came out empty, decoded once more in fp32; raises `RequestError` where that does not help."""
        withheld: Sequence[bool] = [False] * len(x)
        if last and pipe.vae.dtype != torch.float32 and bool(last[0].isfinite().all()):
            before = pipe.vae.dtype
            pipe.vae.to(torch.float32)
            with torch.no_grad():
                x = decoded(pipe.vae, last[0]).cpu().clamp(-1, 1)
            pipe.vae.to(before)
            if getattr(pipe, "safety_checker", None) is not None:
                shown, found = pipe.run_safety_checker(x, pipe._execution_device, before)
                x, withheld = torch.as_tensor(shown).float().cpu(), found
        if any(bool(_empty(row)) and not hidden for row, hidden in zip(x, withheld)):
            raise RequestError(
                "the picture came out empty (not a number, or one colour); ask for another size, more steps or less "
                "guidance"
            )
        return x, withheld

    def decode(self, x: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [-1, 1] as they are; latents (B, C, h, w) as a linear sketch of their colours."""
        if x.ndim == 4 and x.shape[1] == 3:
            return x.clamp(-1, 1)
        if x.numel() == 0:  # a pipeline whose latents cannot be sketched: grey until it is done
            return torch.zeros(len(x), 3, *self.spec.size)
        if self._colours is None:
            with torch.no_grad():
                self._colours = Colours(self.pipe.vae, self.factor)
        return self._colours(x)


def _empty(picture: Tensor) -> bool:
    return not bool(picture.isfinite().all()) or bool(picture.amax() == picture.amin())


def _task(request: Imagine | Edit | Vary) -> Task:
    if isinstance(request, Edit) and (request.mask is not None or any(request.expand)):
        return "mask"
    return "text" if request.image is None else "image"


def _refuse(request: Any) -> None:
    """Raises `RequestError` where a request asks for what no pipeline knows."""
    for name in UNKNOWN:
        field = type(request).model_fields.get(name)
        if field is not None and getattr(request, name) != field.default:
            raise RequestError(f"this model knows no {name.replace('_', ' ')}; leave it out, or say it in the prompt")


def _inputs(pipe: Any, canvases: Sequence[Canvas]) -> dict[str, Any]:
    """Sizes and pictures, as the pipeline takes them."""
    known = accepted(type(pipe).__call__)
    rows = [canvas.inputs() for canvas in canvases]
    given: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0] if name in known}
    height, width = canvases[0].work
    sizes = {"height": height, "width": width, "use_resolution_binning": False, "clean_caption": False}
    return given | {name: value for name, value in sizes.items() if name in known}


def _choices(pipe: Any, request: Any, negative: bool) -> dict[str, Any]:
    """Steps, guidance and strength, as the pipeline calls them; what the request leaves out is the pipeline's own."""
    known = accepted(type(pipe).__call__)
    steps = getattr(request, "steps", None)
    guidance = getattr(request, "guidance", None)
    given: dict[str, Any] = {}
    if steps is not None:
        given["num_inference_steps"] = steps
    if "strength" in known and request.image is not None:  # of few steps, at least one is taken
        given["strength"] = max(request.strength, 1 / (steps or known.get("num_inference_steps") or 1))
    if "true_cfg_scale" in known and (negative or known.get("guidance_scale") is None):
        distilled = known["true_cfg_scale"] <= 1
        given["true_cfg_scale"] = guidance or (TRUE_GUIDANCE if distilled and negative else known["true_cfg_scale"])
    elif guidance is not None:
        if "guidance_scale" not in known:
            raise RequestError(f"{type(pipe).__name__} has no guidance; leave it out")
        given["guidance_scale"] = guidance
    return given


def _callback(pipe: Any, look: Callable[[Tensor], None]) -> dict[str, Any]:
    """How the pipeline is asked to show its latents after each step, where it can."""
    known = accepted(type(pipe).__call__)

    def ended(pipe: Any, step: int, time: Any, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        look(tensors["latents"])
        return {}

    if "callback_on_step_end" in known:
        return {"callback_on_step_end": ended, "callback_on_step_end_tensor_inputs": ["latents"]}
    if "callback" in known:
        return {"callback": lambda step, time, latents: look(latents), "callback_steps": 1}
    return {}
