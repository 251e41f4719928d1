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

/* out: [rows][columns][channels]; may be one of the two, where that is as large. */
NET_ALWAYS_INLINE void net_arithmetic_body(const net_arithmetic_shape *s, const float *a,
                                           const float *b, net_activation activation, float *out)
{
    const int count = s->rows * s->columns * s->channels;
    float *to = out;
    int y, x;

    for (y = 0; y < s->rows; y++)
        for (x = 0; x < s->columns; x++, to += s->channels)
            net_arithmetic_line(s->operation, s->channels, a + y * s->a_row + x * s->a_column,
                                s->a_channel, b + y * s->b_row + x * s->b_column, s->b_channel, to);
    net_activate_body(activation, out, count, out);
}

NET_IN_VARIANTS(net_arithmetic,
                (const net_arithmetic_shape *s, const float *a, const float *b,
                 net_activation activation, float *out),
                (s, a, b, activation, out))
