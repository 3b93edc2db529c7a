"""A message of every type, by name: what the golden vectors fix and the fuzz bench damages."""

from __future__ import annotations

from codec.commitment import SafetyCommit, SafetyReveal
from codec.control import Message
from codec.conversation import Accept, Chat, Decline, Name, Ring, Status, Unmet, Wish
from codec.feedback import Feedback, ReadyTransfers, Transit
from codec.hello import Goodbye, Hello
from codec.ordered import OrderedMotion
from codec.time import Clock
from codec.transfer import PictureOffer, PicturePiece, PictureReady, PictureRefused, ResidualPiece

MESSAGES: dict[str, Message] = {
    "hello": Hello(1, "laptop-256", bytes(range(32)), bytes(range(32, 64)), 256, 29.97, 5, bytes(range(16))),
    "piece": PicturePiece(258, 3, 2, 4, bytes(range(32)), b"picture"),
    "offer": PictureOffer(258, 3, bytes(range(32))),
    "ready": PictureReady(258, 3),
    "refused": PictureRefused(258, "the picture is damaged"),
    "feedback": Feedback(
        4000, 0x80000001, 45, 70000, 2, 65535, 3_000_000_000, Transit(5, 65000), ReadyTransfers(3, 0b101)
    ),
    "feedback_before_the_first": Feedback(None, 0, 0, 0, None),
    "goodbye": Goodbye("done, à bientôt"),
    "goodbye_failed": Goodbye("the camera is gone", failed=True),
    "ordered_motion": OrderedMotion(bytes.fromhex("001fd2c0ffee")),
    "safety_commit": SafetyCommit(bytes(range(32))),
    "safety_reveal": SafetyReveal(bytes(range(16))),
    "clock": Clock(4000, 3_000_000_000),
    "residual_piece": ResidualPiece(PicturePiece(259, 1, 0, 2, bytes(range(32)), b"repair")),
    "chat": Chat(65535, "à bientôt 👩\u200d💻"),
    "status": Status(41, 65534),
    "wish": Wish(2),
    "unmet": Unmet(2),
    "ring": Ring(3),
    "name": Name("Zoë 👩"),
    "accept": Accept(),
    "decline": Decline("plus tard, désolé"),
}
