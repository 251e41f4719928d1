"""The text rule in C and in Python: the same tokens and the same bytes."""

import shutil
import struct
import subprocess

import numpy as np
import pytest

from tatami.rules.text import Tokens, learn_merges
from tatami.ship.c.tasks.text import text_macros, text_rule
from tatami.types.text import END, TextInput

SENTENCES = ["Zwei junge weiße Männer.", "Two young, White males", "Žluťoučký kůň, 1234 ŸÝ €"]
MAIN = """
#define ROOM 400
int main(void)
{
    static char text[4096], back[4096];
    static int32_t tokens[ROOM];
    int32_t length, room, count, i;

    while (fread(&length, 4, 1, stdin) == 1) {
        if (fread(&room, 4, 1, stdin) != 1) return 1;
        if (fread(text, 1, (size_t)length, stdin) != (size_t)length) return 1;
        count = net_encode(text, length, tokens, room);
        fwrite(&count, 4, 1, stdout);
        for (i = 0; i < count; i++) fwrite(tokens + i, 4, 1, stdout);
        if (count < 0) continue;
        length = net_decode(tokens, count, back, 4096);
        fwrite(&length, 4, 1, stdout);
        fwrite(back, 1, (size_t)length, stdout);
        if (length > 0 && net_decode(tokens, count, back, length) != -1) return 2;
    }
    return 0;
}
"""
ROOM = 400


def texts(rng):
    """Bytes of every kind: of languages, UTF-8 cut anywhere, spaces in rows, and noise."""
    yield from (b"", b" ", b"\n \t", b"A", b" a  b\r\n", b"\xc3", b"\xc4\xc4\x80", b"\xc5\xb8")
    every = "".join(map(chr, (*range(32, 127), *range(160, 0x250)))).encode()
    yield from (every[i : i + 40] for i in range(0, len(every), 40))
    words = np.frombuffer(" ".join(SENTENCES * 3).encode(), np.uint8)
    for _ in range(400):
        drawn = rng.integers(0, 256, rng.integers(0, 60)).astype(np.uint8)
        begin = rng.integers(0, len(words))
        copied = words[begin : begin + rng.integers(0, 40)]
        yield rng.permutation(np.concatenate((drawn, copied, copied))).tobytes()
        yield copied.tobytes() + drawn.tobytes()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    ("merges", "languages", "lower"), [(120, (), True), (60, ("de", "fr"), False), (0, (), True)]
)
def test_bit_for_bit(merges, languages, lower, tmp_path):
    learned = learn_merges(SENTENCES * 2, merges, lower)
    rule = TextInput(learned, languages=languages, lower=lower)
    known = Tokens(rule)
    head = "#include <stdint.h>\n#include <stdio.h>\n"
    macros = "".join(f"{macro.line()}\n" for macro in text_macros(rule))
    (tmp_path / "text.c").write_text(head + macros + text_rule(rule) + MAIN)
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    flags.append("-fsanitize=address,undefined")
    subprocess.run(["gcc", *flags, "text.c", "-o", "text"], cwd=tmp_path, check=True)
    given, expected = b"", b""
    for text in texts(np.random.default_rng(0)):
        given += struct.pack("<ii", len(text), ROOM) + text
        tokens = known.encode(text)
        back = known.decode_bytes(tokens)
        expected += struct.pack(f"<i{len(tokens)}i", len(tokens), *tokens)
        expected += struct.pack("<i", len(back)) + back
    for room in range(6):  # " ab" needs room for its bytes, even where they become one token
        given += struct.pack("<ii", 2, room) + b"ab"
        fits = room >= 3
        tokens = known.encode("ab")
        expected += struct.pack("<i", len(tokens) if fits else -1)
        if fits:
            expected += struct.pack(f"<{len(tokens)}i", *tokens) + struct.pack("<i", 2) + b"ab"
    program = [tmp_path / "text"]
    found = subprocess.run(program, input=given, capture_output=True, check=True).stdout
    assert found == expected


def test_decoding_ends_where_a_sentence_is_closed():
    known = Tokens(TextInput(()))
    tokens = known.encode("ab")
    assert known.decode([1, 0, *tokens, END, *tokens]) == "ab"
