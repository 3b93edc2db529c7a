"""Raw videos to training data: stable square crops with landmarks, in the layout that training reads.

Read in this order: `settings` (what can be chosen), `video` (frames in, clips out), `faces` (where the face is),
`shots` (which frames make a clip, and its square), `mesh` (landmarks), `job` (one video), `run` (all of them).
"""
