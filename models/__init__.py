"""The networks, their profiles, weights, training and export."""
