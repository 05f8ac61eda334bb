"""Writes the pages that are made from the code: ``python -m website``."""

from website.pages import write

write()
