"""Tell in which language a sentence is written, by the n-grams of its letters.

Of each language the n-grams of 1 to 3 letters are counted in sentences of it. A sentence is of the
language under which its n-grams are the most probable, each count being one larger than it was
(add-one smoothing), of equal ones the first.

Source:
    Dunning 1994, "Statistical Identification of Language", section 3.2; the letters of a word are
    taken with a space before and after it, as in Cavnar and Trenkle 1994, section 3.1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ORDERS = (1, 2, 3)


def ngrams(text: str) -> Iterator[str]:
    """List the n-grams of a text's words, in lower case; what is no letter parts words."""
    letters = "".join(one if one.isalpha() else " " for one in text.lower())
    for word in letters.split():
        framed = f" {word} "
        for order in ORDERS:
            for start in range(len(framed) - order + 1):
                yield framed[start : start + order]


@dataclass(frozen=True)
class Identifier:
    """Tell languages apart.

    Args:
        counts: Of each language's n-grams.
    """

    counts: Mapping[str, Counter[str]]

    @staticmethod
    def of(samples: Mapping[str, Sequence[str]]) -> Identifier:
        """Count the n-grams of sentences of each language.

        Args:
            samples: Sentences, by language.
        """
        counts = {
            language: Counter(one for line in lines for one in ngrams(line))
            for language, lines in samples.items()
        }
        return Identifier(counts)

    def language(self, text: str) -> str | None:
        """Tell the language of a text; None where it has no letters."""
        found = list(ngrams(text))
        if not found:
            return None
        known = len({one for counts in self.counts.values() for one in counts})
        scores = {
            language: math.fsum(math.log(counts[one] + 1) for one in found)
            - len(found) * math.log(counts.total() + known)
            for language, counts in self.counts.items()
        }
        return max(scores, key=lambda language: scores[language])
