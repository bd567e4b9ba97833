"""Huabi (画笔): a folder of pictures becomes a picture-maker."""

__version__ = "0.1.0"
