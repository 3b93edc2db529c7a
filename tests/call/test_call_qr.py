"""The invitation's QR code: what is drawn is read again."""

import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from call.qr import svg_qr, terminal_qr

INVITATION = "visavis call 192.168.178.123:8765 M2H5JC"
# What each character shows above and below: light is what a terminal draws.
HALVES = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}


def read(modules: np.ndarray) -> str:
    """Let OpenCV read a picture of a code, a module a pixel."""
    large = np.kron(modules, np.ones((8, 8))).astype(np.uint8)
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.pad(large, 32, constant_values=255))
    return text


def test_a_code_in_the_terminal_is_read_by_a_camera_and_fits_into_a_window() -> None:
    lines = terminal_qr(INVITATION).split("\n")
    assert len({len(line) for line in lines}) == 1
    assert len(lines) <= 20
    assert len(lines[0]) <= 80
    rows = [[HALVES[character][half] for character in line] for line in lines for half in (0, 1)]
    assert read(np.array(rows)) == INVITATION


def test_a_code_for_the_page_is_an_svg_element_that_is_read_by_a_camera() -> None:
    drawing = ElementTree.fromstring(svg_qr(INVITATION))
    assert drawing.tag == "svg"
    side = int(drawing.attrib["viewBox"].split()[2])
    assert "width" not in drawing.attrib
    background, lines = drawing.findall("path")
    assert (background.attrib["fill"], lines.attrib["stroke"]) == ("#fff", "#000")
    assert read(trace(lines.attrib["d"], side)) == INVITATION


def trace(path: str, side: int) -> np.ndarray:
    """Draw a path of horizontal strokes, one module thick: M x y, then h to draw and m to move."""
    modules = np.full((side, side), 255)
    x = y = 0.0
    for command, numbers in _commands(path):
        if command == "M":
            x, y = numbers
        elif command == "m":
            x, y = x + numbers[0], y + numbers[1]
        else:
            modules[int(y), int(x) : int(x + numbers[0])] = 0
            x += numbers[0]
    return modules


def _commands(path: str) -> list[tuple[str, list[float]]]:
    import re

    found = re.findall(r"([Mmh])([^Mmh]*)", path)
    return [(command, [float(n) for n in re.findall(r"-?\d*\.?\d+", numbers)]) for command, numbers in found]
