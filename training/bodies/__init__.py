"""Data of the mesh regressor: real poses for its critic, pictures with bodies, silhouettes. Methods: seed 003."""
