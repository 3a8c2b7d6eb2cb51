"""Training of every network: data sets, synthetic data, recipes, evaluation, export. The only part that needs torch."""
