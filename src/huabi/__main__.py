"""`python -m huabi`, and so `torchrun -m huabi`."""

from .cli import main

main()
