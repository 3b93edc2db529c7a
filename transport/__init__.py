"""Two peers over WebRTC: how they meet, what they send, and what the wire carried.

The folder moves bytes and does not know what they mean: messages are made and read by `codec`. Read
`peer` first, then `meeting` for how two peers find each other: `listening` and `signalling` where one listens and the
other comes to it, `rooms` and `serve` where they meet at a server, `meet` in one process. `safety` tells whether
anybody sits between them.
"""
