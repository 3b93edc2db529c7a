"""Measures what the others make: picture quality, rate, and what a call's report asks of both. It may import everything
of the house; nothing of the house imports it directly."""

import os

# Torch's threads otherwise spin while they wait for each other, which beside a training took over ten times as long
# as sleeping does. OpenMP reads this once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
