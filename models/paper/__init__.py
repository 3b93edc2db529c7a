"""The paper's seven networks (supplement A.1, figures 1 and 2), each letter in a file of its own."""
