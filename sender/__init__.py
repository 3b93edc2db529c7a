"""The sending half of a call: camera, file or stream in, motion packets out; it knows no receiver and no
network weights."""
