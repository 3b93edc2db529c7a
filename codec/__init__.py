"""The bitstream: the only folder that knows bytes.

Motion packets, source pictures and control messages become bytes here and come back as values. What depends
on the weights (steps and frequency tables) is handed in as a `codec.format.MotionFormat`; networks,
channels and clocks are unknown here. `README.md` in this folder documents every byte.
"""
