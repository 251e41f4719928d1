/* Where a window slides over a map of (rows, columns, channels). Padding: `top` and `left`; what
 * lies below and to the right follows from the output's size. */
typedef struct {
    int channels, rows, columns;
    int out_rows, out_columns;
    int kernel_rows, kernel_columns;
    int stride_rows, stride_columns;
    int dilation_rows, dilation_columns;
    int top, left;
} net_window;

/* Taps first ... end - 1 of a window that begins at `start` lie within `length` samples. */
typedef struct {
    int first, end;
} net_inside;

static net_inside net_taps_inside(int start, int kernel, int dilation, int length)
{
    net_inside inside = {0, kernel};

    while (inside.first < kernel && start + inside.first * dilation < 0) inside.first++;
    while (inside.end > inside.first && start + (inside.end - 1) * dilation >= length) inside.end--;
    return inside;
}

/* Vector instructions of a row of outputs, about. */
static int64_t net_window_cost(const net_window *s)
{
    return (int64_t)s->out_columns * s->kernel_rows * s->kernel_columns * ((s->channels + 15) / 16);
}
