"""Measures of pictures against pictures, each with its protocol and its uncertainty."""
