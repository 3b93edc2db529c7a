"""The program: the two-party call in one process, and the command line that alone knows everything."""
