"""The listener's view of a talking head: turned, levelled, or moved relative to the source picture's own pose.

Pure functions on a motion as the receiver holds it, between playout and drawing (paper, section 3.2: the user changes
`R_d <- R_u R_d` and `t_d <- t_u + t_d`; section 4.2: frontalisation sets the rotation). Offsets hang on the head:
whatever turns the head turns them too. Knows nothing of bytes, networks or pictures.

Absolute motion is the motion as it came; another person's picture as the source needs nothing here either, since
expression is relative to the source's own neutral geometry.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runtime.geometry import Floats, rotation_angles, rotation_matrix

WIDEST_DEGREES = 30.0  # beyond it the source picture shows too little of what would be seen
# From the joint of the neck, about which heads turn, to the middle of the face, in distances between the irises: fitted
# to where the faces of 150 filmed clips went as they turned. A face that turned on the spot would be what no network
# has ever seen: the laptop's draw little more than half of such a turn.
FROM_NECK = np.array([0.0, -0.8, -1.4], np.float32)
# Of a turn that no camera saw, in yaw and pitch, the laptop's networks draw so much, by a judge of heads' poses
# (medians over 60 filmed people, turned by up to 30 degrees either way). So much more is asked of them.
DRAWN_SHARE = np.array([0.94, 0.87], np.float32)


class Pose(NamedTuple):
    """What a head does: a motion's numbers."""

    rotation: Floats  # [3] yaw, pitch, roll in degrees
    translation: Floats  # [3] x, y in image coordinates; z the negative log of the scale
    expression: Floats  # [K, 3] in distances between the irises, along the picture's axes


@dataclass(frozen=True)
class View:
    """How a listener wants to see the head: as it is, unless said otherwise.

    `yaw` and `pitch` turn it, in degrees within `WIDEST_DEGREES`; `frontal` levels it first; `relative` moves the
    source picture's own head by what the driving head has moved since its first motion.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    frontal: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        if not max(abs(self.yaw), abs(self.pitch)) <= WIDEST_DEGREES:
            raise ValueError(
                f"the head turns by at most {WIDEST_DEGREES:g} degrees, not yaw {self.yaw:g}, pitch {self.pitch:g}"
            )

    @property
    def turns(self) -> bool:
        """Whether heads are drawn turned otherwise than they were filmed."""
        return bool(self.yaw or self.pitch or self.frontal)

    def of(self, pose: Pose, reference: Pose, source: Pose) -> Pose:
        """Return the pose to draw; for `reference` and `source` see `follow`."""
        if self.relative:
            pose = follow(pose, reference, source)
        if self.frontal:
            pose = frontalise(pose)
        return turn(pose, yaw=self.yaw, pitch=self.pitch) if self.yaw or self.pitch else pose


def turn(
    pose: Pose, *, yaw: float = 0.0, pitch: float = 0.0, shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> Pose:
    """Look at the head from elsewhere: `R_d <- R_u R_d`, `t_d <- t_u + t_d`; the neck stays where it is.

    Args:
        pose: the driving motion.
        yaw, pitch: what is to be seen of R_u, in degrees, held within `WIDEST_DEGREES` either way; yaw > 0 turns the
            nose to +x, pitch > 0 turns it down. R_u itself is a little larger, for networks draw less (`DRAWN_SHARE`).
        shift: t_u; z > 0 makes the head smaller.
    """
    angles = np.clip(np.array([yaw, pitch], np.float32), -WIDEST_DEGREES, WIDEST_DEGREES) / DRAWN_SHARE
    turned = _turned(pose, rotation_matrix(np.append(angles, np.float32(0))))
    return turned._replace(translation=turned.translation + np.asarray(shift, np.float32))


def frontalise(pose: Pose) -> Pose:
    """Set the head level: R_d becomes that of the level face, the neck's place, size and expression stay."""
    level = _turned(pose, rotation_matrix(pose.rotation).T)
    return level._replace(rotation=np.zeros(3, np.float32))  # exactly, and not up to rounding


def follow(pose: Pose, reference: Pose, source: Pose) -> Pose:
    """Move the source's own head by what the driving head has moved since a reference (relative motion).

    `R = R_d R_r^-1 R_s`, the way travelled in units of the head's own size, and the change of expression measured in
    the head's own axes on top of the source's. With driving and reference alike the source rests as it is in its
    picture.

    Args:
        pose: the driving motion.
        reference: the driving motion at rest: its first frame, as a rule.
        source: the source picture's own.
    """
    of_pose, of_reference, of_source = (rotation_matrix(each.rotation) for each in (pose, reference, source))
    rotation = of_pose @ of_reference.T @ of_source
    nearer = float(
        np.exp(reference.translation[2] - source.translation[2])
    )  # the source's size over the reference's
    travelled = pose.translation - reference.translation
    translation = source.translation + travelled * np.array([nearer, nearer, 1], np.float32)
    # Rows are points: `rows @ R` takes them from the picture's axes into the head's.
    changed = pose.expression @ of_pose - reference.expression @ of_reference
    expression = (source.expression @ of_source + changed) @ rotation.T
    return Pose(rotation_angles(_float32(rotation)), _float32(translation), _float32(expression))


def _turned(pose: Pose, matrix: Floats) -> Pose:
    before = rotation_matrix(pose.rotation)
    after = matrix @ before
    size = np.exp(-pose.translation[2])
    shift = size * ((after - before) @ FROM_NECK) * np.array([1, 1, 0], np.float32)
    return Pose(
        rotation_angles(after), _float32(pose.translation + shift), _float32(pose.expression @ matrix.T)
    )


def _float32(values: NDArray[np.floating]) -> Floats:
    return np.asarray(values, np.float32)
