"""The identifier of languages, on sentences that it was not made of."""

from tatami.evaluate.language import Identifier, ngrams

SAMPLES = {
    "en": ["A man in a blue shirt is standing on a ladder.", "Two young girls play with the dog."],
    "de": ["Ein Mann in einem blauen Hemd steht auf einer Leiter.", "Zwei Mädchen spielen."],
    "fr": ["Un homme en chemise bleue est debout sur une échelle.", "Deux filles jouent dehors."],
}


def test_ngrams_are_of_words() -> None:
    first = [*" ab ", " a", "ab", "b ", " ab", "ab "]
    assert [*ngrams("Ab 1c")] == [*first, *" c ", " c", "c ", " c "]


def test_languages_are_told_apart() -> None:
    known = Identifier.of(SAMPLES)
    assert known.language("Three men are standing with the ladder") == "en"
    assert known.language("Ein Mädchen steht in einem Hemd") == "de"
    assert known.language("une fille est sur une chemise") == "fr"
    assert known.language("12 - !") is None
