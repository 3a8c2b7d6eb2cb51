"""Recipes: one file a method. Each has a ``Config`` (tyro), ``run(config)`` and ``main(args)``."""
