/* Two maps, sample by sample. An axis along which one is repeated has the step 0. */
typedef enum { NET_ADD, NET_SUBTRACT, NET_MULTIPLY, NET_DIVIDE } net_operation;

typedef struct {
    net_operation operation;
    int rows, columns, channels;    /* of the result */
    int a_row, a_column, a_channel; /* samples from one row, column or channel to the next */
    int b_row, b_column, b_channel;
} net_arithmetic_shape;

/* Some of a line of channels; the steps i and j are 0 or 1. */
#define NET_LINE(sign) \
    do { \
        if (i == 1 && j == 1) \
            for (c = 0; c < here; c++) part[c] = a[c] sign b[c]; \
        else if (i == 1) \
            for (c = 0; c < here; c++) part[c] = a[c] sign b[0]; \
        else \
            for (c = 0; c < here; c++) part[c] = a[0] sign b[c * j]; \
    } while (0)

NET_ALWAYS_INLINE void net_arithmetic_line(net_operation operation, int count, const float *a,
                                           int i, const float *b, int j, float *out)
{
    enum { PART = 256 };
    float part[PART]; /* vectors need not know whether out is one of the two */
    int c;

    for (; count > 0; count -= PART, a += PART * i, b += PART * j, out += PART) {
        const int here = count < PART ? count : PART;

        switch (operation) {
        case NET_ADD: NET_LINE(+); break;
        case NET_SUBTRACT: NET_LINE(-); break;
        case NET_MULTIPLY: NET_LINE(*); break;
        case NET_DIVIDE: NET_LINE(/); break;
        }
        memcpy(out, part, (size_t)here * sizeof *out);
    }
}

#undef NET_LINE

typedef struct {
    const net_arithmetic_shape *shape;
    const float *a, *b;
    net_activation activation;
    float *out;
    int line; /* samples that a unit has: all channels of a place, or a piece of the only place's */
} net_arithmetic_job;

NET_ALWAYS_INLINE void net_arithmetic_part_body(void *context, int from, int to, int thread)
{
    const net_arithmetic_job *job = context;
    const net_arithmetic_shape *s = job->shape;
    const int places = s->rows * s->columns;
    int unit, first, end;

    (void)thread;
    for (unit = from; unit < to; unit++) {
        const int place = places == 1 ? 0 : unit, channel = places == 1 ? unit * job->line : 0;
        const int left = s->channels - channel, count = left < job->line ? left : job->line;
        const int y = place / s->columns, x = place % s->columns;
        float *out = job->out + place * s->channels + channel;

        net_arithmetic_line(
            s->operation, count,
            job->a + y * s->a_row + x * s->a_column + channel * s->a_channel, s->a_channel,
            job->b + y * s->b_row + x * s->b_column + channel * s->b_channel, s->b_channel, out);
    }
    first = from * job->line;
    end = to * job->line < places * s->channels ? to * job->line : places * s->channels;
    net_activate_body(job->activation, job->out + first, end - first, job->out + first);
}

NET_IN_VARIANTS(net_arithmetic_part, (void *context, int from, int to, int thread),
                (context, from, to, thread))

/* out: [rows][columns][channels]; may be one of the two, where that is as large. */
static void net_arithmetic(const net_arithmetic_shape *s, const float *a, const float *b,
                           net_activation activation, float *out)
{
    const int places = s->rows * s->columns;
    net_arithmetic_job job = {s, a, b, activation, out, places == 1 ? NET_PIECE : s->channels};

    net_parallel(net_arithmetic_part, &job, places == 1 ? net_pieces(s->channels) : places,
                 job.line / 4 + 8);
}
