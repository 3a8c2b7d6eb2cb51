"""The tables of the papers, from whatever data there is. ``python -m training evaluate``."""
