"""All networks of one of the paper's profiles together."""

from torch import nn

from models.locate import Locate
from models.paper.profile import PaperProfile
from models.paper.talker import TalkingHead


class PaperNetworks(nn.Module):
    """The talking head, which here finds the motion too, and the locate network."""

    def __init__(self, profile: PaperProfile) -> None:
        super().__init__()
        self.profile = profile
        self.talker = TalkingHead(profile)
        self.locate = Locate()
