"""The short code that two people read to each other to pair their hosts: `7-guitar-ocean`.

The number is public: it tells which offer is meant. The words are the secret, 16 bits of it. That is
enough only because the exchange (handshake.py) gives one guess and nothing to try the others on.
"""

from __future__ import annotations

import difflib
import re
import secrets
import unicodedata
from dataclasses import dataclass, field
from typing import Self

NAMEPLATES = 99

# Two words differ in three letters at least, and each in its first four from all others: what was misheard
# or mistyped is no other word of the list, and the nearest one is the one that was meant.
WORDS = tuple(
    """
    acorn acrobat almond alphabet amber anchor apricot artist athlete attic autumn avocado backpack
    badger balloon bamboo banana basket bathtub beehive bicycle birthday biscuit bookcase bottle
    bridge bronze butter cabbage cabin cactus calendar camel candle canyon caravan carnival carpet
    cashew celery cello cheetah chimney circus clarinet clover cobra coconut compass condor cookie
    cottage coyote crater cricket crimson crystal cucumber cupcake curtain cushion daisy dentist
    dolphin domino doorbell dragon eagle eclipse emerald engine envelope factory falcon farmer
    festival flamingo flute folder football forest galaxy garage gardener garlic gazelle gecko
    giraffe glacier gondola gravity guitar hammock hamster hazelnut hedgehog honey igloo iguana
    indigo island jaguar jasmine jigsaw journal jukebox jungle juniper kangaroo kayak ketchup
    keyboard keyhole kitchen kiwi koala lagoon lantern lavender lemur leopard library lifeboat
    lizard lobster magenta magician magnet magpie mailbox mango marathon marble meadow meerkat
    mimosa mirror mitten monsoon mountain museum mushroom mustard napkin nebula noodle notebook
    nutmeg oasis ocean octopus olive onion orange orchid ostrich palace panda panther papaya parrot
    peanut pebble pelican pendulum penguin pepper piano pickle picnic pigeon pilot pinecone plumber
    pocket popcorn poppy postcard potato prairie pretzel puffin pumpkin puzzle pyramid quartz rabbit
    radish rainbow raisin ribbon ruby saffron sailor sandbox satchel school scissors scooter
    seahorse shovel silver skylark snorkel snowman spider spinach spoon squirrel stadium starfish
    suitcase sunhat sunrise swan sweater symphony teacher teapot tennis thimble thread thunder tiger
    toffee tornado toucan tourist towel tractor trapeze trolley trombone trophy trumpet tulip tunnel
    turtle tuxedo ukulele umbrella valley vanilla velvet village vinegar violin volcano voyage
    waffle walrus whistle willow windmill wombat zigzag
    """.split()  # noqa: SIM905 - a list of 256 strings would have a line for each
)
_LISTED = frozenset(WORDS)

# A person types 20 characters or so; what is longer is no code, and is not compared with the words.
TYPED_LIMIT = 100  # characters
NEAREST = 3  # how many words an error offers

# Between the parts: blanks, underscores, and every dash that a chat program makes of a plain one.
_BETWEEN = re.compile("[\\s_\\-\u2010-\u2015\u2212]+")


@dataclass(frozen=True, slots=True)
class Code:
    """A code: its public number, 1 to 99, and its two secret words of the list.

    Raises ValueError when it has another number or a word that is not listed.
    """

    nameplate: int
    words: tuple[str, str] = field(repr=False)  # a code that is shown in a traceback keeps its secret

    def __post_init__(self) -> None:
        if not 1 <= self.nameplate <= NAMEPLATES:
            raise ValueError(f"a code begins with a number from 1 to {NAMEPLATES}, not {self.nameplate}")
        for word in self.words:
            if word not in _LISTED:
                raise ValueError(_unknown(word))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The code that a person typed as *text*; case, blanks, underscores and further dashes do not matter.

        Raises:
            ValueError: it is none; the sentence says what is wrong, and offers the nearest words.
        """
        if len(text) > TYPED_LIMIT:
            raise ValueError("a code is a number and two words, such as 7-guitar-ocean")
        plain = unicodedata.normalize("NFKC", text).casefold()
        match [part for part in _BETWEEN.split(plain) if part]:
            case [number, one, two] if number.isascii() and number.isdigit():
                return cls(int(number), (one, two))
        raise ValueError(f"a code is a number and two words, such as 7-guitar-ocean, not {text!r}")

    @property
    def secret(self) -> bytes:
        """What only the two people know."""
        return " ".join(self.words).encode("ascii")

    def __str__(self) -> str:
        return "-".join((str(self.nameplate), *self.words))


def new_code() -> Code:
    """A code that nobody can foretell."""
    return Code(1 + secrets.randbelow(NAMEPLATES), (secrets.choice(WORDS), secrets.choice(WORDS)))


def _unknown(word: str) -> str:
    near = difflib.get_close_matches(word, WORDS, n=NEAREST, cutoff=0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"{word!r} is none of the words that codes are made of{hint}"
