"""The plugin's icon: two discs and the line between them, drawn without a library."""

from __future__ import annotations

import math
import struct
import zlib

SIDE = 512  # pixels; the plugin directory takes 512 to 2048

# Ground, line, the one and the other.
PALETTE = bytes.fromhex("1d2733 8fa3b8 f2a65a 6fc2b4")
GROUND, LINE, ONE, OTHER = range(4)

RADIUS = 92
CENTRES = ((152, 344, ONE), (360, 168, OTHER))
THICK = 26  # of the line


def png() -> bytes:
    """The icon as a PNG file."""
    rows = b"".join(b"\0" + _row(y) for y in range(SIDE))  # before each row: filter 0, none
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 3, 0, 0, 0)  # 8 bits, colours from the palette
    body = _chunk(b"IHDR", head) + _chunk(b"PLTE", PALETTE) + _chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + body + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _row(y: int) -> bytes:
    row = bytearray([GROUND]) * SIDE
    (x0, y0, _), (x1, y1, _) = CENTRES
    if y1 <= y <= y0:
        middle = x0 + (y0 - y) * (x1 - x0) / (y0 - y1)
        wide = THICK / 2 * math.hypot(x1 - x0, y0 - y1) / (y0 - y1)
        _paint(row, middle - wide, middle + wide, LINE)
    for cx, cy, colour in CENTRES:
        inside = RADIUS**2 - (y - cy) ** 2
        if inside > 0:
            _paint(row, cx - math.sqrt(inside), cx + math.sqrt(inside), colour)
    return bytes(row)


def _paint(row: bytearray, left: float, right: float, colour: int) -> None:
    start, end = round(left), round(right)
    row[start:end] = bytes([colour]) * (end - start)
