"""Analyses of the papers: pictures and the numbers behind them. ``python -m training analyse``."""
