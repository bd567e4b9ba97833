"""Which classes a classifier takes for which."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw
from torch import Tensor

CELL, MARGIN = 26, 96  # pixels


def confusion(truth: Tensor, read: Tensor, classes: int) -> Tensor:
    """Counts (classes, classes): row the true class, column the one that was read. Both arguments are (N,) int64."""
    flat = torch.bincount(truth * classes + read, minlength=classes * classes)
    return flat.reshape(classes, classes)


def accuracy(counts: Tensor) -> float:
    """The share that was read rightly, 0 to 1; nan where there is nothing."""
    return float(counts.diagonal().sum() / counts.sum())


def confusion_picture(counts: Tensor, labels: Sequence[str]) -> Image.Image:
    """The table as a picture: rows the true classes, columns what was read, darker for a larger share of the row."""
    n = len(labels)
    image = Image.new("RGB", (MARGIN + n * CELL + 8, MARGIN + n * CELL + 8), "white")
    draw = ImageDraw.Draw(image)
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    for i, row in enumerate(shares.tolist()):
        for j, share in enumerate(row):
            shade = round(255 - 215 * share)
            x, y = MARGIN + j * CELL, MARGIN + i * CELL
            fill = (shade, shade, 255) if i == j else (255, shade, shade)
            draw.rectangle((x, y, x + CELL - 2, y + CELL - 2), fill=fill)
            if share >= 0.005:
                draw.text((x + CELL // 2 - 1, y + CELL // 2 - 1), f"{100 * share:.0f}", "black", anchor="mm")
        name = labels[i] if len(labels[i]) <= 14 else labels[i][:13] + "."
        draw.text((MARGIN - 6, MARGIN + i * CELL + CELL // 2), name, "black", anchor="rm")
        strip = Image.new("RGB", (MARGIN - 8, CELL), "white")
        ImageDraw.Draw(strip).text((2, CELL // 2), name, "black", anchor="lm")
        image.paste(strip.rotate(90, expand=True), (MARGIN + i * CELL, 4))
    return image
