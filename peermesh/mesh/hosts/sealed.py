"""What both ends of a link between hosts share: keys, and ZeroMQ sockets with CURVE and limits."""

from __future__ import annotations

import zmq
from zmq.utils import z85

from peermesh.mesh.wire import FRAME_LIMIT

# Of a key, raw.
KEY_SIZE = 32
# The largest frame with what a host link puts around it; CURVE adds 33 bytes of its own.
SIZE_LIMIT = FRAME_LIMIT + 4 * 1024
SEALED_LIMIT = SIZE_LIMIT + 64
# Frames read before others get their turn.
AT_ONCE = 512
LINGER_MS = 200
HIGH_WATER = 4_000

Context = zmq.Context[zmq.Socket[bytes]]
Socket = zmq.Socket[bytes]


def new_keys() -> tuple[bytes, bytes]:
    """A CURVE pair, public and secret, 32 bytes each."""
    public, secret = zmq.curve_keypair()
    return z85.decode(public), z85.decode(secret)


def public_of(secret: bytes) -> bytes:
    """The public key that belongs to *secret*; 32 bytes each.

    Raises:
        ValueError: *secret* is no key.
    """
    if len(secret) != KEY_SIZE:
        raise ValueError(f"a secret key has {KEY_SIZE} bytes, not {len(secret)}")
    return z85.decode(zmq.curve_public(z85.encode(secret)))


def sealed(context: Context, kind: int, keys: tuple[bytes, bytes], handshake_seconds: float) -> Socket:
    """A socket with *keys*, public and secret, and our limits."""
    made = context.socket(kind)
    made.set(zmq.MAXMSGSIZE, SEALED_LIMIT)
    made.set(zmq.LINGER, LINGER_MS)
    made.set(zmq.SNDHWM, HIGH_WATER)
    made.set(zmq.RCVHWM, HIGH_WATER)
    made.set(zmq.HANDSHAKE_IVL, round(handshake_seconds * 1_000))
    made.set(zmq.CURVE_PUBLICKEY, keys[0])
    made.set(zmq.CURVE_SECRETKEY, keys[1])
    return made


def push(made: Socket, parts: list[bytes]) -> bool:
    """Send without waiting; False: too much waits already, or nobody is there.

    Raises:
        ValueError: more than SIZE_LIMIT bytes.
    """
    if len(parts[-1]) > SIZE_LIMIT:
        raise ValueError(f"a frame of {len(parts[-1])} bytes; the limit is {SIZE_LIMIT}")
    try:
        made.send_multipart(parts, zmq.NOBLOCK)
    except zmq.ZMQError as wrong:
        if wrong.errno in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
            return False
        raise
    return True
