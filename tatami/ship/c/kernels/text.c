

/* The text rule, docs/text-rule.md: text to tokens and back. tatami/rules/text.py is the same in
 * Python. Symbols 0 to 255 are bytes; symbol 256 + i is what pair i became. */
static const uint16_t net_pairs[NET_MERGES + 1][2] = {
@pairs@
};
/* The pairs' numbers in the order of what they hold, to be searched. */
static const uint16_t net_order[NET_MERGES + 1] = {
@order@
};

enum { NET_SPACE, NET_LETTER, NET_DIGIT, NET_OTHER };

static int net_kind(int byte)
{
    const int letter = byte | 32;

    if (byte == ' ' || (byte >= '\t' && byte <= '\r')) return NET_SPACE;
    if (byte >= 128 || (letter >= 'a' && letter <= 'z')) return NET_LETTER;
    return byte >= '0' && byte <= '9' ? NET_DIGIT : NET_OTHER;
}

#if NET_LOWER
/* The lower-case letter of a code point below U+0180. */
static int net_lower_code(int code)
{
    const int odd = (code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E);

    if (code < 0x100) return code >= 0xC0 && code <= 0xDE && code != 0xD7 ? code + 32 : code;
    if (code == 0x178) return 0xFF;
    if (code == 0x130 || code == 0x138 || code == 0x149 || code == 0x17F) return code;
    return code + ((code & 1) == odd);
}

static void net_lower(int32_t *bytes, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        if (bytes[i] >= 'A' && bytes[i] <= 'Z') {
            bytes[i] += 32;
        } else if (bytes[i] >= 0xC3 && bytes[i] <= 0xC5 && i + 1 < count && bytes[i + 1] >= 128 &&
                   bytes[i + 1] < 192) { /* U+00C0 to U+017F, two bytes each */
            const int code = net_lower_code((int)((bytes[i] & 31) << 6 | (bytes[i + 1] & 63)));
            bytes[i] = 0xC0 | code >> 6;
            bytes[++i] = 128 | (code & 63);
        }
    }
}
#endif

/* The number of a pair of symbols; NET_MERGES where it is not merged. */
static int net_pair(int32_t first, int32_t second)
{
    int low = 0, high = NET_MERGES;

    while (low < high) {
        const int middle = (low + high) / 2;
        const uint16_t *pair = net_pairs[net_order[middle]];
        if (pair[0] < first || (pair[0] == first && pair[1] < second)) low = middle + 1;
        else high = middle;
    }
    if (low == NET_MERGES) return NET_MERGES;
    low = net_order[low];
    return net_pairs[low][0] == first && net_pairs[low][1] == second ? low : NET_MERGES;
}

/* Merge the symbols of a piece, the lowest pair first; the new count. */
static int net_merge(int32_t *symbols, int count)
{
    for (;;) {
        int best = NET_MERGES, place = 0, i;

        for (i = 0; i + 1 < count; i++) {
            const int pair = net_pair(symbols[i], symbols[i + 1]);
            if (pair < best) {
                best = pair;
                place = i;
            }
        }
        if (best == NET_MERGES) return count;
        symbols[place] = 256 + best;
        count--;
        for (i = place + 1; i < count; i++) symbols[i] = symbols[i + 1];
    }
}

/* Text of `length` bytes to tokens; their count, or -1 where there is no room for the bytes of a
 * piece beside the tokens before it. */
static int net_encode(const char *text, int length, int32_t *tokens, int room)
{
    int at = 0, count = 0, i;

    for (;;) {
        int spaced = count == 0, piece = 0, kind;

        for (; at < length && net_kind((uint8_t)text[at]) == NET_SPACE; at++) spaced = 1;
        if (at == length) return count;
        if (spaced && count < room) tokens[count + piece++] = ' ';
        kind = net_kind((uint8_t)text[at]);
        do {
            if (count + piece >= room) return -1;
            tokens[count + piece++] = (uint8_t)text[at++];
        } while (kind != NET_OTHER && at < length && net_kind((uint8_t)text[at]) == kind);
#if NET_LOWER
        net_lower(tokens + count, piece);
#endif
        piece = net_merge(tokens + count, piece);
        for (i = count; i < count + piece; i++) tokens[i] += NET_FIRST_SYMBOL;
        count += piece;
    }
}

/* Tokens, up to the one that closes a sentence, to text and a 0 after it; its length, or -1 where
 * it has no room. */
static int net_decode(const int32_t *tokens, int count, char *text, int room)
{
    int32_t later[NET_LONGEST]; /* right halves of pairs whose left half is being written */
    int length = 0, i, first = 1;

    for (i = 0; i < count && tokens[i] != NET_END; i++) {
        int waiting = 0;

        if (tokens[i] < NET_FIRST_SYMBOL) continue;
        later[waiting++] = tokens[i] - NET_FIRST_SYMBOL;
        while (waiting) {
            int32_t symbol = later[--waiting];
            for (; symbol > 255; symbol = net_pairs[symbol - 256][0])
                later[waiting++] = net_pairs[symbol - 256][1];
            if (first && symbol == ' ') {
                first = 0;
                continue;
            }
            first = 0;
            if (length + 1 >= room) return -1;
            text[length++] = (char)(uint8_t)symbol;
        }
    }
    if (room < 1) return -1;
    text[length] = 0;
    return length;
}
