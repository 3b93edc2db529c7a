"""Makes geometry.json: keypoints placed by the formula written out with plain floats, apart from the program's code."""

import json
import math
import random
from pathlib import Path

INPUTS = ("canonical", "rotation", "translation", "expression")


def multiply(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return [[sum(a[i][k] * b[k][j] for k in range(3)) for j in range(3)] for i in range(3)]


def place(case: dict) -> list[list[float]]:
    yaw, pitch, roll = (math.radians(angle) for angle in case["rotation"])
    turn = [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    shake = [[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]]
    nod = [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    matrix = multiply(multiply(turn, shake), nod)
    x, y, z = case["translation"]
    placed = []
    for point, offset in zip(case["canonical"], case["expression"], strict=True):
        turned = [sum(matrix[i][j] * point[j] for j in range(3)) + offset[i] for i in range(3)]
        scaled = [math.exp(-z) * value for value in turned]
        placed.append([scaled[0] + x, scaled[1] + y, scaled[2]])
    return placed


def main() -> None:
    rng = random.Random(1)
    cases = []
    for _ in range(6):
        case = {
            "canonical": [[round(rng.uniform(-1, 1), 4) for _ in range(3)] for _ in range(4)],
            "rotation": [round(rng.uniform(-60, 60), 3) for _ in range(3)],
            "translation": [round(rng.uniform(-0.5, 1), 4) for _ in range(3)],
            "expression": [[round(rng.uniform(-0.2, 0.2), 4) for _ in range(3)] for _ in range(4)],
        }
        cases.append(case | {"keypoints": [[round(v, 6) for v in point] for point in place(case)]})
    path = Path(__file__).with_name("geometry.json")
    path.write_text(json.dumps({"inputs": INPUTS, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
