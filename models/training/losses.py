"""Picture losses: perceptual distance on a frozen backbone, closest where a listener looks."""

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.motion_field import Head, image_grid
from models.training.loop import TrainingError
from runtime.geometry import KEYPOINT_GROUPS

# Squeeze and expand channels of SqueezeNet 1.1's fire modules, by their index in torchvision's `features`.
FIRES = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128), 9: (256, 48, 192),
         10: (384, 48, 192), 11: (384, 64, 256), 12: (512, 64, 256)}  # fmt: skip
POOLS = (2, 5, 8)
TAPS = (1, 4, 7, 9, 10, 11, 12)  # as LPIPS taps it
FACE_WIDTH, FACE_HEIGHT, FACE_CENTRE = (
    2.5,
    3.2,
    0.25,
)  # distances between the irises; the centre is below them
CLOSE_UP = 96  # pixels of a close-up, for each 256 of the picture's side
HEADS_FILE = "lpips_squeeze_heads.pth"  # LPIPS's linear heads, in the backbone's folder
FAINT = (
    0.01  # of LPIPS: what is nearer to the truth than this hardly shows, and must not count without bounds
)
GRID = 16  # pixels after which the backbone looks the same way again
# Fractions whose multiples cover a square evenly: the plastic number's, two dimensions without lattice or luck.
PLASTIC = (0.7548776662, 0.5698402910)
WHOLE = 256  # pixels: the whole of a larger picture is compared halved, and at its full size in the close-ups alone


def backbone_file(named: Path | None, data: Path) -> Path:
    """Return the perceptual backbone's file, as named or the data folder's; raises TrainingError if there is none."""
    path = named or data / "backbones" / "squeezenet1_1.pth"
    if not path.is_file():
        raise TrainingError(
            f"picture losses need SqueezeNet 1.1's weights and there are none at {path}:"
            " name their file with --perceptual"
        )
    return path


class Fire(nn.Module):
    """Squeeze to few channels, expand by 1x1 and 3x3 convolutions side by side."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        squeezed = functional.relu(self.squeeze(features))
        return functional.relu(torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1))


class SqueezeFeatures(nn.Module):
    """The seven tapped feature maps of a frozen SqueezeNet 1.1 for a picture in [0, 1]."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.features = nn.ModuleDict({"0": nn.Conv2d(3, 64, 3, stride=2)})
        for index, shape in FIRES.items():
            self.features[str(index)] = Fire(*shape)
        try:
            state = torch.load(weights, weights_only=True, map_location="cpu")
            state = {name.removeprefix("features."): value.float() for name, value in state.items()}
            self.features.load_state_dict(
                {name: v for name, v in state.items() if not name.startswith("class")}
            )
        except (OSError, RuntimeError, AttributeError, KeyError) as error:
            raise TrainingError(
                f"{weights} holds no SqueezeNet 1.1 for the perceptual loss: {error}"
            ) from None
        first = self.features["0"]
        assert isinstance(first, nn.Conv2d)
        assert first.bias is not None
        mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        with (
            torch.no_grad()
        ):  # ImageNet's normalisation goes into the first convolution, which has no padding
            first.bias.sub_((first.weight * (mean / spread)[:, None, None]).sum((1, 2, 3)))
            first.weight.div_(spread[:, None, None])
        self.requires_grad_(False)

    def forward(self, picture: Tensor) -> list[Tensor]:
        value = picture
        taps = []
        for index in range(TAPS[-1] + 1):
            if index == 1:
                value = functional.relu(value)
            elif index in POOLS:
                value = functional.max_pool2d(value, 3, stride=2, ceil_mode=True)
            else:
                value = self.features[str(index)](value)
            if index in TAPS:
                taps.append(value)
        return taps


def squared_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Return the squared distance of features [B, C, h, w] of unit length, [B, 1, h, w].

    It is 2 - 2 cos. The sums over channels are convolutions with ones, and nothing is divided by a broadcast length: on
    a CPU with channels last, broadcasting over channels costs several times the backbone itself.
    """
    ours, theirs = ours.float(), theirs.float()
    ones = ours.new_ones(1, ours.shape[1], 1, 1)
    inner = functional.conv2d(ours * theirs, ones)
    lengths = functional.conv2d(ours * ours, ones) * functional.conv2d(theirs * theirs, ones)
    return 2 - 2 * inner * (lengths + 1e-10).rsqrt()


def judged_distances(ours: Tensor, theirs: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """Return `squared_distance` of features [B, C, h, w] and what a linear head [1, C, 1, 1] of LPIPS makes of it, the
    sum over channels of `head (a - b)^2` of unit lengths a and b; [B, 1, h, w] each."""
    ours, theirs = ours.float(), theirs.float()
    rows = torch.cat([torch.ones_like(head), head])

    def sums(values: Tensor) -> tuple[Tensor, ...]:
        return functional.conv2d(values, rows).split(1, 1)

    (our_length, our_share), (their_length, their_share) = sums(ours * ours), sums(theirs * theirs)
    our_scale, their_scale = (our_length + 1e-10).rsqrt(), (their_length + 1e-10).rsqrt()
    inner, inner_share = (each * our_scale * their_scale for each in sums(ours * theirs))
    judged = our_share * our_scale.square() + their_share * their_scale.square() - 2 * inner_share
    return 2 - 2 * inner, judged


def read_heads(path: Path) -> list[Tensor]:
    """Read LPIPS's seven linear heads, [1, C, 1, 1] each; raises TrainingError."""
    try:
        held = torch.load(path, weights_only=True, map_location="cpu")
        return [held[f"lin{index}.model.1.weight"].float() for index in range(len(TAPS))]
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError(f"{path} holds no linear heads of LPIPS-SqueezeNet: {error}") from None


class PictureLoss(nn.Module):
    """L1 and perceptual distance, of the whole picture at several sizes and of mouth and eyes seen close."""

    mouth: Tensor  # rows of its keypoints, kept on the device: an index from Python would halt a GPU
    eyes: Tensor

    def __init__(self, weights: Path, *, scales: int, judged: bool = False) -> None:
        """Load the backbone; where pictures are to be `judged`, LPIPS's linear heads too, from the file beside it."""
        super().__init__()
        self.backbone = SqueezeFeatures(weights)
        self.scales = scales
        self.heads = nn.ParameterList(read_heads(weights.with_name(HEADS_FILE)) if judged else [])
        self.heads.requires_grad_(False)
        self.register_buffer("mouth", torch.tensor(KEYPOINT_GROUPS["mouth"]), persistent=False)
        self.register_buffer("eyes", torch.tensor(KEYPOINT_GROUPS["eyes"]), persistent=False)

    def forward(
        self, drawn: Tensor, truth: Tensor, importance: Tensor, head: Head, *, step: int = 0
    ) -> dict[str, Tensor]:
        """Return `pixels`, `perceptual` and `close` of pictures [B, 3, S, S]; `lpips` and `face_lpips` too where
        pictures are judged.

        importance: [B, 1, S, S], its mean is 1; weighs the whole picture. head: of the true picture. step: from another
        corner in each the judge looks, so that nothing is drawn for the grid that it looks through.
        """
        pixels = ((drawn - truth).abs() * importance).mean()
        ours, theirs = self.close_ups(drawn, head), self.close_ups(truth, head)
        close = self.distance(ours, theirs, None) + 4 * (ours - theirs).abs().mean()
        terms = {"pixels": pixels, "close": close}
        if self.heads:
            top, left = (int(step * share % 1 * GRID) for share in PLASTIC)
            seen = (drawn, truth, importance, face_box(head, drawn.shape[-1]))
            return terms | self.judge(*(each[..., top:, left:] for each in seen))
        perceptual = drawn.new_zeros(())
        while drawn.shape[-1] > WHOLE:
            drawn, truth = functional.avg_pool2d(drawn, 2), functional.avg_pool2d(truth, 2)
        for scale in range(self.scales):
            if scale:
                drawn, truth = functional.avg_pool2d(drawn, 2), functional.avg_pool2d(truth, 2)
            perceptual = perceptual + self.distance(drawn, truth, importance)
        return terms | {"perceptual": perceptual / self.scales}

    def judge(self, drawn: Tensor, truth: Tensor, importance: Tensor, face: Tensor) -> dict[str, Tensor]:
        """Return `perceptual` of pictures at their full size, and the logarithms of what LPIPS-SqueezeNet says of the
        whole picture and of the face, `lpips` and `face_lpips`, on average over the pictures.

        face: 1 over the face. By logarithms each pair counts by how much better its picture could become, a head that
        hardly moves as much as one that turns; so do the geometric means that pictures are compared by.
        """
        perceptual, whole, within = (
            drawn.new_zeros(()),
            drawn.new_zeros(len(drawn)),
            drawn.new_zeros(len(drawn)),
        )
        for ours, theirs, head in zip(*self._taps(drawn, truth), self.heads, strict=True):
            size = (ours.shape[2], ours.shape[3])
            plain, judged = judged_distances(ours, theirs, head)
            seen = functional.adaptive_avg_pool2d(face, size)
            perceptual = perceptual + (plain * functional.adaptive_avg_pool2d(importance, size)).mean()
            whole = whole + judged.mean((1, 2, 3))
            within = within + (judged * seen).sum((1, 2, 3)) / seen.sum((1, 2, 3)).clamp_min(1e-3)
        logarithms = {"lpips": (whole + FAINT).log().mean(), "face_lpips": (within + FAINT).log().mean()}
        return {"perceptual": perceptual, **logarithms}

    def close_ups(self, picture: Tensor, head: Head) -> Tensor:
        """Return mouths, then eyes, of pictures [B, 3, S, S], enlarged: [2 B, 3, 96, 96], 192 of 512."""
        side = CLOSE_UP * max(1, picture.shape[-1] // WHOLE)
        windows = [close_up(head, spot, side) for spot in (self.mouth, self.eyes)]
        return torch.cat([functional.grid_sample(picture, each, align_corners=False) for each in windows])

    def distance(self, drawn: Tensor, truth: Tensor, importance: Tensor | None) -> Tensor:
        """Return the backbone's distance, summed over its taps."""
        total = drawn.new_zeros(())
        for ours, theirs in zip(*self._taps(drawn, truth), strict=True):
            away = squared_distance(ours, theirs)
            if importance is not None:
                away = away * functional.adaptive_avg_pool2d(importance, ours.shape[-1])
            total = total + away.mean()
        return total

    def _taps(self, drawn: Tensor, truth: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return the backbone's taps of drawn and of true pictures."""
        with torch.autocast(drawn.device.type, torch.bfloat16):
            with torch.no_grad():
                wanted = self.backbone(truth)
            return self.backbone(drawn), wanted


def close_up(head: Head, keypoints: Tensor, side: int) -> Tensor:
    """Return a sampling grid [B, side, side, 2] around some keypoints, a little wider than the eyes are apart."""
    centre = head.keypoints[:, keypoints, :2].mean(1)
    half = 0.75 * head.linear.square().sum((1, 2)).div(3).sqrt()
    grid = image_grid(side, head.keypoints)
    return centre[:, None, None] + half[:, None, None, None] * grid


def importance_map(head: Head, size: int, *, expressive: Tensor, peak: float) -> Tensor:
    """Weigh the picture [B, 1, size, size]: 1 far away, 2 over the face, `peak` at mouth and eyes; its mean is 1."""
    line = (torch.arange(size, device=head.keypoints.device) * 2 + 1) / size - 1
    scale = head.linear.square().sum((1, 2)).div(3).sqrt()[:, None, None]

    def bump(x: Tensor, y: Tensor, reach: float) -> Tensor:
        along = (-((line - x[..., None]) / (reach * scale)).square() / 2).exp()
        down = (-((line - y[..., None]) / (reach * scale)).square() / 2).exp()
        return (down[..., :, None] * along[..., None, :]).amax(1)

    spots = bump(head.keypoints[:, expressive, 0], head.keypoints[:, expressive, 1], 0.2)
    face = bump(head.shift[:, None, 0], head.shift[:, None, 1], 0.8)
    weight = 1 + face + (peak - 2) * spots
    return (weight / weight.mean((1, 2), keepdim=True))[:, None]


def face_box(head: Head, size: int) -> Tensor:
    """Return 1 over the face, from forehead to chin and ear to ear, and 0 elsewhere: [B, 1, size, size]."""
    line = (torch.arange(size, device=head.keypoints.device) * 2 + 1) / size - 1
    scale = head.linear.square().sum((1, 2)).div(3).sqrt()[:, None]
    across, down = ((line - head.shift[:, axis, None]) / scale for axis in (0, 1))
    columns, rows = across.abs() < FACE_WIDTH / 2, (down - FACE_CENTRE).abs() < FACE_HEIGHT / 2
    return (rows[:, None, :, None] & columns[:, None, None]).float()
