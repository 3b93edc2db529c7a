"""The receiving side: packets in, pictures out. It knows no networks' insides and nothing of the sender."""
