"""``python -m redloom``."""

from redloom.cli import main

main()
