"""Rendered people with exact labels: training pictures and the example clip."""
