"""Training of the networks: data, losses, the loop and its run files."""
