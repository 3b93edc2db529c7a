"""Runs a profile's exported graphs: what crosses from the networks to a call."""
