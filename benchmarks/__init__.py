"""Accuracy and speed on fixed inputs, beside peers in the same run. Needs the checkout and the [train] extra."""
