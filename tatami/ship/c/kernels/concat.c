/* One part of a concatenation: `runs` pieces of memory of `run` bytes, which lie one after another
 * in the part and `step` bytes apart in the whole. */
typedef struct {
    const uint8_t *in;
    uint8_t *out;
    int run, step;
} net_concat_job;

/* Pieces from ... to - 1. */
static void net_concat_part(void *context, int from, int to, int thread)
{
    const net_concat_job *job = context;
    int i;

    (void)thread;
    for (i = from; i < to; i++)
        memcpy(job->out + (ptrdiff_t)i * job->step, job->in + (ptrdiff_t)i * job->run,
               (size_t)job->run);
}

static void net_concat(const void *in, int runs, int run, uint8_t *out, int step)
{
    net_concat_job job = {in, out, run, step};

    net_parallel(net_concat_part, &job, runs, run / 16 + 8);
}
