"""Picture losses: perceptual distance on a frozen backbone, closest where a listener looks."""

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
CLOSE_UP = 96  # pixels of a close-up, for each 256 of the picture's side
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


class PictureLoss(nn.Module):
    """L1 and perceptual distance, of the whole picture at several sizes and of mouth and eyes seen close."""

    mouth: Tensor  # rows of its keypoints, kept on the device: an index from Python would halt a GPU
    eyes: Tensor

    def __init__(self, weights: Path, *, scales: int) -> None:
        super().__init__()
        self.backbone = SqueezeFeatures(weights)
        self.scales = scales
        self.register_buffer("mouth", torch.tensor(KEYPOINT_GROUPS["mouth"]), persistent=False)
        self.register_buffer("eyes", torch.tensor(KEYPOINT_GROUPS["eyes"]), persistent=False)

    def forward(self, drawn: Tensor, truth: Tensor, importance: Tensor, head: Head) -> dict[str, Tensor]:
        """Return `pixels`, `perceptual` and `close` of pictures [B, 3, S, S].

        importance: [B, 1, S, S], its mean is 1; weighs the whole picture. head: of the true picture.
        """
        pixels = ((drawn - truth).abs() * importance).mean()
        ours, theirs = self.close_ups(drawn, head), self.close_ups(truth, head)
        close = self.distance(ours, theirs, None) + 4 * (ours - theirs).abs().mean()
        perceptual = drawn.new_zeros(())
        while drawn.shape[-1] > WHOLE:
            drawn, truth = functional.avg_pool2d(drawn, 2), functional.avg_pool2d(truth, 2)
        for scale in range(self.scales):
            if scale:
                drawn, truth = functional.avg_pool2d(drawn, 2), functional.avg_pool2d(truth, 2)
            perceptual = perceptual + self.distance(drawn, truth, importance)
        return {"pixels": pixels, "perceptual": perceptual / self.scales, "close": close}

    def close_ups(self, picture: Tensor, head: Head) -> Tensor:
        """Return mouths, then eyes, of pictures [B, 3, S, S], enlarged: [2 B, 3, 96, 96], 192 of 512."""
        side = CLOSE_UP * max(1, picture.shape[-1] // WHOLE)
        windows = [close_up(head, spot, side) for spot in (self.mouth, self.eyes)]
        return torch.cat([functional.grid_sample(picture, each, align_corners=False) for each in windows])

    def distance(self, drawn: Tensor, truth: Tensor, importance: Tensor | None) -> Tensor:
        """Return the backbone's distance, summed over its taps."""
        with torch.autocast(drawn.device.type, torch.bfloat16):
            with torch.no_grad():
                wanted = self.backbone(truth)
            found = self.backbone(drawn)
        total = drawn.new_zeros(())
        for ours, theirs in zip(found, wanted, strict=True):
            away = squared_distance(ours, theirs)
            if importance is not None:
                away = away * functional.adaptive_avg_pool2d(importance, ours.shape[-1])
            total = total + away.mean()
        return total


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
