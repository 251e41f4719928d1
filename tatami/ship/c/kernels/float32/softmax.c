/* exp(x - largest) / sum of exp(x - largest), in place. A sum is taken in the order of its axis, as
 * tatami/ops/exponential.py takes it; several stand side by side, so that none waits for itself.
 * Where a sample is no number, none of its line is one in the end, whichever is called largest. */
enum { NET_SOFTMAX_LINES = 8, NET_SOFTMAX_SIDE = 16 };

/* Lines of `length` samples that lie together. */
NET_ALWAYS_INLINE void net_softmax_lines(int lines, int length, float *out)
{
    float sums[NET_SOFTMAX_LINES];
    int line, k, j;

    for (line = 0; line < lines; line++) {
        float *x = out + (ptrdiff_t)line * length;
        float side[NET_SOFTMAX_SIDE], largest;

        for (j = 0; j < NET_SOFTMAX_SIDE; j++) side[j] = x[0];
        for (k = 0; k + NET_SOFTMAX_SIDE <= length; k += NET_SOFTMAX_SIDE)
            for (j = 0; j < NET_SOFTMAX_SIDE; j++) side[j] = x[k + j] > side[j] ? x[k + j] : side[j];
        for (; k < length; k++) side[0] = x[k] > side[0] ? x[k] : side[0];
        largest = side[0];
        for (j = 1; j < NET_SOFTMAX_SIDE; j++) largest = side[j] > largest ? side[j] : largest;
        for (k = 0; k < length; k++) x[k] = net_exp(x[k] - largest);
        sums[line] = 0.0f;
    }
    if (lines == NET_SOFTMAX_LINES) {
        for (k = 0; k < length; k++)
            for (line = 0; line < NET_SOFTMAX_LINES; line++)
                sums[line] += out[(ptrdiff_t)line * length + k];
    } else {
        for (line = 0; line < lines; line++)
            for (k = 0; k < length; k++) sums[line] += out[(ptrdiff_t)line * length + k];
    }
    for (line = 0; line < lines; line++, out += length)
        for (k = 0; k < length; k++) out[k] /= sums[line];
}

/* Lines that lie side by side, a sample `step` from the next. */
NET_ALWAYS_INLINE void net_softmax_columns(int columns, int length, int step, float *out)
{
    float largest[NET_SOFTMAX_SIDE], sums[NET_SOFTMAX_SIDE];
    float *x;
    int k, i;

    for (i = 0; i < columns; i++) {
        largest[i] = out[i];
        sums[i] = 0.0f;
    }
    for (k = 1, x = out + step; k < length; k++, x += step)
        for (i = 0; i < columns; i++) largest[i] = x[i] > largest[i] ? x[i] : largest[i];
    for (k = 0, x = out; k < length; k++, x += step)
        for (i = 0; i < columns; i++) {
            x[i] = net_exp(x[i] - largest[i]);
            sums[i] += x[i];
        }
    for (k = 0, x = out; k < length; k++, x += step)
        for (i = 0; i < columns; i++) x[i] /= sums[i];
}

/* Along the middle axis of [outer][length][inner]. in and out may be the same samples. */
typedef struct {
    int length, inner;
    const float *in;
    float *out;
} net_softmax_step;

/* Lines from ... to - 1, of `outer`. */
NET_ALWAYS_INLINE void net_softmax_part_body(void *context, int from, int to, int thread)
{
    const net_softmax_step *s = context;
    const int length = s->length, inner = s->inner;
    const ptrdiff_t whole = (ptrdiff_t)length * inner;
    float *out = s->out + from * whole;
    int line, i;

    (void)thread;
    if (s->in != s->out)
        memcpy(out, s->in + from * whole, (size_t)((to - from) * whole) * sizeof *out);
    if (inner == 1) {
        for (line = from; line < to; line += NET_SOFTMAX_LINES)
            net_softmax_lines(to - line < NET_SOFTMAX_LINES ? to - line : NET_SOFTMAX_LINES, length,
                              s->out + line * whole);
        return;
    }
    for (line = from; line < to; line++, out += whole)
        for (i = 0; i < inner; i += NET_SOFTMAX_SIDE)
            net_softmax_columns(inner - i < NET_SOFTMAX_SIDE ? inner - i : NET_SOFTMAX_SIDE, length,
                                inner, out + i);
}

NET_IN_VARIANTS(net_softmax_part, (void *context, int from, int to, int thread),
                (context, from, to, thread))

static void net_softmax(int outer, int length, int inner, const float *in, float *out)
{
    net_softmax_step step = {length, inner, in, out};

    net_parallel(net_softmax_part, &step, outer, (int64_t)length * inner);
}
