/* The translation rule, docs/translation-rule.md, around an encoder and a step of a decoder.
 * tatami/rules/translation.py is the same in Python. */

#if NET_BEAM < 1 || NET_BEAM > 16
#error "give a beam of 1 to 16"
#endif

const char *net_kernels(const char *name)
{
    const char *chosen = net_encoder_kernels(name);

    return chosen == NULL ? NULL : net_decoder_kernels(chosen);
}

int net_source_tokens(const char *text, int length, int language, int32_t *source)
{
    int32_t *room;
    int count, first = 0, i;

    if (text == NULL || source == NULL || length < 0 || length > NET_MAX_TEXT) return -1;
    if (language < 0 || language >= (NET_LANGUAGES > 1 ? NET_LANGUAGES : 1)) return -1;
    room = malloc(((size_t)length + 2) * sizeof *room); /* a space more than there are bytes */
    if (room == NULL) return -1;
    count = net_encode(text, length, room, length + 2);
    if (NET_LANGUAGES > 0) source[first++] = NET_END + 1 + language;
    for (i = 0; i < count && first < NET_MAX_SOURCE - 1; i++) source[first++] = room[i];
    free(room);
    if (count < 0) return -1;
    source[first++] = NET_END;
    for (i = first; i < NET_MAX_SOURCE; i++) source[i] = 0;
    return first;
}

/* Section 3: the token of the largest logit, of equal ones the lowest. */
static int32_t net_best(const float *logits)
{
    int32_t best = 0, token;
    float largest = logits[0] == logits[0] ? logits[0] : -INFINITY;

    for (token = 1; token < NET_VOCABULARY; token++)
        if (logits[token] > largest) {
            largest = logits[token];
            best = token;
        }
    return best;
}

#if NET_BEAM == 1
static int net_searched(int32_t *tokens)
{
    int32_t token = NET_BEGIN;
    int place;

    net_decoder_reset();
    for (place = 0; place < NET_MAX_TARGET; place++) {
        net_step(token, place);
        token = net_best(net_logits);
        if (token == NET_END) break;
        tokens[place] = token;
    }
    return place;
}
#else
typedef struct {
    int32_t tokens[NET_MAX_TARGET];
    int count;
    float score;
} net_hypothesis;

typedef struct {
    float score, logit;
    int number;
    int32_t token;
} net_choice;

/* What the score of n tokens is divided by. */
static const float net_weights[NET_MAX_TARGET + 1] = {
@weights@
};
static uint8_t net_memories[2][NET_BEAM][NET_DECODER_STATE];
static net_hypothesis net_alive[2][NET_BEAM];

static int net_better(const net_choice *a, const net_choice *b)
{
    if (a->score != b->score) return a->score > b->score;
    if (a->logit != b->logit) return a->logit > b->logit;
    if (a->number != b->number) return a->number < b->number;
    return a->token < b->token;
}

/* The best NET_BEAM + 1 tokens of a hypothesis go among `count` choices, the best first. */
static int net_choose(float score, int number, net_choice *choices, int count)
{
    float largest = net_logits[0], total = 0.0f, parts[256], logarithm;
    net_choice own[NET_BEAM + 1];
    int found = 0, token, first, i;

    for (token = 1; token < NET_VOCABULARY; token++)
        if (net_logits[token] > largest) largest = net_logits[token];
    for (first = 0; first < NET_VOCABULARY; first += 256) {
        const int here = NET_VOCABULARY - first < 256 ? NET_VOCABULARY - first : 256;

        for (i = 0; i < here; i++) parts[i] = net_exp(net_logits[first + i] - largest);
        for (i = 0; i < here; i++) total += parts[i];
    }
    logarithm = net_log(total);
    for (token = 0; token < NET_VOCABULARY; token++) {
        const float logit = net_logits[token];

        if (found == NET_BEAM + 1 && !(logit > own[NET_BEAM].logit)) continue;
        if (found < NET_BEAM + 1) found++;
        for (i = found - 1; i > 0 && logit > own[i - 1].logit; i--) own[i] = own[i - 1];
        own[i].logit = logit;
        own[i].score = score + ((logit - largest) - logarithm);
        own[i].number = number;
        own[i].token = token;
    }
    for (first = 0; first < found; first++) {
        for (i = count++; i > 0 && net_better(&own[first], &choices[i - 1]); i--)
            choices[i] = choices[i - 1];
        choices[i] = own[first];
    }
    return count;
}

static int net_searched(int32_t *tokens)
{
    net_choice choices[NET_BEAM * (NET_BEAM + 1)];
    float value = 0.0f;
    int living = 1, finished = 0, answer = 0, place, i, turn = 0;

    net_decoder_reset();
    net_decoder_save(net_memories[0][0]);
    net_alive[0][0].count = 0;
    net_alive[0][0].score = 0.0f;
    for (place = 0; place < NET_MAX_TARGET; place++, turn = 1 - turn) {
        static uint8_t after[NET_BEAM][NET_DECODER_STATE];
        const net_hypothesis *from = net_alive[turn];
        net_hypothesis *to = net_alive[1 - turn];
        int count = 0, next = 0;

        for (i = 0; i < living; i++) {
            net_decoder_restore(net_memories[turn][i]);
            net_step(place ? from[i].tokens[place - 1] : NET_BEGIN, place);
            net_decoder_save(after[i]);
            count = net_choose(from[i].score, i, choices, count);
        }
        for (i = 0; i < count && next < NET_BEAM; i++) {
            const net_choice *choice = &choices[i];
            const net_hypothesis *parent = &from[choice->number];

            if (choice->token == NET_END) {
                const float worth = choice->score / net_weights[place + 1];

                if (i < NET_BEAM && (finished++ == 0 || worth > value)) {
                    value = worth;
                    answer = place;
                    memcpy(tokens, parent->tokens, (size_t)place * sizeof *tokens);
                }
                continue;
            }
            memcpy(to[next].tokens, parent->tokens, (size_t)place * sizeof *tokens);
            to[next].tokens[place] = choice->token;
            to[next].score = choice->score;
            memcpy(net_memories[1 - turn][next], after[choice->number], NET_DECODER_STATE);
            next++;
        }
        living = next;
        if (finished >= NET_BEAM) return answer;
    }
    for (i = 0; i < living; i++) {
        const float worth = net_alive[turn][i].score / net_weights[NET_MAX_TARGET];

        if (finished++ == 0 || worth > value) {
            value = worth;
            answer = NET_MAX_TARGET;
            memcpy(tokens, net_alive[turn][i].tokens, sizeof net_alive[turn][i].tokens);
        }
    }
    return answer;
}
#endif

int net_search(const int32_t *source, int32_t *tokens)
{
    int i;

    for (i = 0; i < NET_MAX_SOURCE; i++) net_source[i] = source[i];
    net_read();
    return net_searched(tokens);
}

int net_translate(const char *text, int length, int language, char *to, int room)
{
    static int32_t source[NET_MAX_SOURCE], tokens[NET_MAX_TARGET];

    if (to == NULL || net_source_tokens(text, length, language, source) < 0) return -1;
    return net_decode(tokens, net_search(source, tokens), to, room);
}
