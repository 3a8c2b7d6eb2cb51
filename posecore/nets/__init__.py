"""Networks (torch). Presets carry the sizes of the papers and smaller ones for the CPU."""
