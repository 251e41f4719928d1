/* Two maps of bytes, place by place, where an axis of one is repeated, and their products:
 * docs/integer-arithmetic.md, section 6. Lines of channels are as simple as compilers like them. */
typedef struct {
    int rows, columns, channels;    /* of the result */
    int a_row, a_column, a_channel; /* samples from one row, column or channel to the next */
    int b_row, b_column, b_channel; /* 0 along an axis that is repeated */
} net_pairs;

typedef struct {
    int a_zero_point, a_multiplier;
    int b_zero_point, b_multiplier; /* of a product: only a_multiplier is used */
    int zero_point, shift;          /* of the result */
    int low, high;
} net_pair_layer;

typedef void net_pair_line(const net_pair_layer *layer, const uint8_t *a, int i, const uint8_t *b,
                           int j, int count, uint8_t *out);

typedef struct {
    net_pair_line *line;
    const net_pair_layer *layer;
    const net_pairs *sides;
    const uint8_t *a, *b;
    uint8_t *out;
} net_pairs_job;

/* Places from ... to - 1. */
static void net_pairs_part(void *context, int from, int to, int thread)
{
    const net_pairs_job *job = context;
    const net_pairs *s = job->sides;
    int place;

    (void)thread;
    for (place = from; place < to; place++) {
        const int y = place / s->columns, x = place % s->columns;

        job->line(job->layer, job->a + y * s->a_row + x * s->a_column, s->a_channel,
                  job->b + y * s->b_row + x * s->b_column, s->b_channel, s->channels,
                  job->out + place * s->channels);
    }
}

/* Call `line` for each place; out may be one of the two, where that is as large. */
static void net_pairs_u8(net_pair_line *line, const net_pair_layer *layer, const net_pairs *s,
                         const uint8_t *a, const uint8_t *b, uint8_t *out)
{
    net_pairs_job job = {line, layer, s, a, b, out};

    net_parallel(net_pairs_part, &job, s->rows * s->columns, s->channels / 2 + 8);
}

/* A line with the steps i and j, 0 or 1, of which at least one is 1, unless there is one sample. What
 * is computed lies apart at first: vectors need not know whether out is one of the two. */
#define NET_PAIR_LINES(expression) \
    do { \
        uint8_t part[512]; \
        int c; \
        for (; count > 0; count -= 512, a += 512 * i, b += 512 * j, out += 512) { \
            const int here = count < 512 ? count : 512; \
            if (i == 1 && j == 1) { \
                for (c = 0; c < here; c++) { \
                    const int32_t p = a[c], q = b[c]; \
                    part[c] = (uint8_t)(expression); \
                } \
            } else if (i == 1) { \
                const int32_t q = b[0]; \
                for (c = 0; c < here; c++) { \
                    const int32_t p = a[c]; \
                    part[c] = (uint8_t)(expression); \
                } \
            } else { \
                const int32_t p = a[0]; \
                for (c = 0; c < here; c++) { \
                    const int32_t q = b[c * j]; \
                    part[c] = (uint8_t)(expression); \
                } \
            } \
            memcpy(out, part, (size_t)here); \
        } \
    } while (0)
