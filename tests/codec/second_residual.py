"""A second decoder of repairs and residual codes, as `codec/README.md` says: cell by cell, in whole numbers."""

from typing import NamedTuple

from second_decoder import RangeDecoder, RefusedError

Map = list[list[int]]  # 1 where a cell is sent


class ResidualTables(NamedTuple):
    """README, 'ResidualFormat', as lists of whole numbers."""

    map_chances: list[list[list[int]]]
    sign_weights: list[list[list[int]]]
    sign_chances: list[int]


def split_repair(repair: bytes) -> tuple[bytes, bytes]:
    """Return a repair's motion packet and its residual code."""
    length = int.from_bytes(repair[:2], "big")
    packet, code = repair[2 : 2 + length], repair[2 + length :]
    if len(repair) < 2 or len(packet) < length or not 3 <= length <= 1100 or len(code) > 32 << 10:
        raise RefusedError("lengths")
    return packet, code


def decode_residual(code: bytes, tables: ResidualTables, side: int) -> list[Map]:
    """Return [32][side][side]: -1 or 1 where a cell is sent, else 0."""
    if len(code) > 32 << 10:
        raise RefusedError("too long")
    coder = RangeDecoder(code)
    sent = [[0] * side for _ in range(side)]
    for step in range(7):
        for row, column in cells_of(step, side):
            near, far = surroundings(sent, step, row, column)
            sent[row][column] = bit(coder, tables.map_chances[step][near][far])
    signs = [[[0] * side for _ in range(side)] for _ in range(32)]
    for channel in range(32):
        for half in (0, 1):
            weights = tables.sign_weights[channel][half]
            for row in range(side):
                for column in range(side):
                    if sent[row][column] and (row + column) % 2 == half:
                        score = sum(w * f for w, f in zip(weights, features(signs, row, column), strict=True))
                        chance = tables.sign_chances[min(max((score >> 5) + 32, 0), 63)]
                        signs[channel][row][column] = 2 * bit(coder, chance) - 1
    return signs


def bit(coder: RangeDecoder, chance: int) -> int:
    """Read a bit that is 1 with this chance in 2^16."""
    zero = (2**24 - 2) * (65536 - chance) // 65536 + 1
    return coder.symbol([zero, 2**24 - zero])


def cells_of(step: int, side: int) -> list[tuple[int, int]]:
    """Return the cells that a step of the map codes, in the order of rows."""
    apart = 8 >> (step + 1) // 2
    cells = [(row, column) for row in range(0, side, apart) for column in range(0, side, apart)]
    if step == 0:
        return cells
    odd = [(row // apart % 2, column // apart % 2) for row, column in cells]
    wanted = ((1, 1),) if step % 2 else ((0, 1), (1, 0))
    return [cell for cell, parity in zip(cells, odd, strict=True) if parity in wanted]


def surroundings(sent: Map, step: int, row: int, column: int) -> tuple[int, int]:
    """Return near, 0..4, and far, 0..2, of a cell."""
    if step == 0:
        return 0, 0
    apart = 8 >> (step + 1) // 2
    if step % 2:
        close, wide = [(y, x) for y in (-1, 1) for x in (-1, 1)], 3
    else:
        close, wide = [(-1, 0), (1, 0), (0, -1), (0, 1)], 2
    away = [(y, x) for y in (-1, 1) for x in (-wide, wide)] + [(y, x) for y in (-wide, wide) for x in (-1, 1)]
    near, around = (
        sum(at(sent, row + y * apart, column + x * apart) for y, x in places) for places in (close, away)
    )
    return near, 0 if around == 0 else 2 if around > 4 else 1


def features(signs: list[Map], row: int, column: int) -> list[int]:
    """Return the 65 features of a cell."""
    beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return [
        1,
        *(one[row][column] for one in signs),
        *(sum(at(one, y, x) for y, x in beside) for one in signs),
    ]


def at(cells: Map, row: int, column: int) -> int:
    """Return a cell's value, 0 outside of the picture."""
    side = len(cells)
    return cells[row][column] if 0 <= row < side and 0 <= column < side else 0
