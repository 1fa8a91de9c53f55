"""One guess at a code: SPAKE2, the proofs, and the seals that follow, without a network. handshake.py says what for.

The only file that knows spake2 and cryptography, which come with an extra and are imported when used.
"""

from __future__ import annotations

import hashlib
import hmac

from peermesh.errors import BadFrame, NoPairing, PairingFailed
from peermesh.mesh.pairing.codes import Code

# Bound into the exchange, with the nameplate, so that it is good for nothing else.
PURPOSE = b"peer pair 1"
KEY = 32  # bytes

USED = "that code was used already; make a new one with peer pair"


class Guess:
    """One side's half of the exchange, good for one guess. Making it takes 10 ms and imports 12 MB.

    Raises NoPairing when the extra is not installed.
    """

    def __init__(self, code: Code, *, answers: bool) -> None:
        try:
            import spake2  # lazily: it is an extra, and heavy
        except ImportError as wrong:
            raise NoPairing from wrong
        self._answers, self._nameplate = answers, code.nameplate
        names = {"idA": PURPOSE + b" answerer", "idB": PURPOSE + b" offerer"}
        make = spake2.SPAKE2_A if answers else spake2.SPAKE2_B
        self._exchange = make(code.secret, **names)
        self.share: bytes = self._exchange.start()
        self.spent = False

    def finish(self, share: bytes) -> Channel:
        """Use the guess up on *share*, the other's half.

        Raises:
            BadFrame: *share* is no such half. The guess is used up all the same.
            PairingFailed: it was used up before.
        """
        from spake2 import SPAKEError
        from spake2.ed25519_basic import NotOnCurve

        if self.spent:
            raise PairingFailed(USED)
        self.spent = True
        try:
            secret: bytes = self._exchange.finish(share)
        except (SPAKEError, NotOnCurve, ValueError) as wrong:
            raise BadFrame("that is no half of an exchange") from wrong
        halves = self.share + share if self._answers else share + self.share
        transcript = hashlib.sha256(PURPOSE + bytes([self._nameplate]) + halves).digest()
        return Channel(secret, transcript, answers=self._answers)


class Channel:
    """What both sides have when both knew the code: keys for proofs and for sealing, one for each way."""

    def __init__(self, secret: bytes, transcript: bytes, *, answers: bool) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        keys: bytes = HKDF(SHA256(), length=4 * KEY, salt=transcript, info=PURPOSE).derive(secret)
        answerers, offerers = keys[: 2 * KEY], keys[2 * KEY :]
        mine, theirs = (answerers, offerers) if answers else (offerers, answerers)
        self._transcript = transcript
        self._prove, self._check = mine[:KEY], theirs[:KEY]
        self._seal, self._open = ChaCha20Poly1305(mine[KEY:]), ChaCha20Poly1305(theirs[KEY:])
        self._sealed = self._opened = 0

    def proof(self) -> bytes:
        """That this side knew the code."""
        return hmac.digest(self._prove, self._transcript, "sha256")

    def proves(self, proof: bytes) -> bool:
        """Whether *proof* says that the other side knew it."""
        return hmac.compare_digest(proof, hmac.digest(self._check, self._transcript, "sha256"))

    def seal(self, data: bytes) -> bytes:
        """*data* for the other side only. Each is numbered, so none can be left out or said again."""
        self._sealed += 1
        sealed: bytes = self._seal.encrypt(self._sealed.to_bytes(12, "big"), data, self._transcript)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """What the other side sealed.

        Raises:
            BadFrame: it is not the next thing that the other side sealed.
        """
        from cryptography.exceptions import InvalidTag

        self._opened += 1
        try:
            data: bytes = self._open.decrypt(self._opened.to_bytes(12, "big"), sealed, self._transcript)
        except InvalidTag as wrong:
            raise BadFrame("a seal that is broken") from wrong
        return data
