"""How long tests wait for what must come: a time that only a broken program takes, however slow the machine is."""

PATIENCE_S = 120.0
