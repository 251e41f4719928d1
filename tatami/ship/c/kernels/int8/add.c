/* Where the samples of add_portable.c are added up, and by whom. */
typedef struct {
    const net_add_layer *layer;
    const uint8_t *a, *b;
    uint8_t *out;
    int count;
} net_add_job;

static void net_add_part(void *context, int from, int to, int thread)
{
    const net_add_job *job = context;
    const int first = from * NET_PIECE;

    (void)thread;
#if NET_X86
    if (net_variant == NET_AVX512 || net_variant == NET_AVX512VNNI) {
        net_add_vectors_avx512(job->layer, job->a + first, job->b + first,
                               net_samples(job->count, from, to), job->out + first);
        return;
    }
#endif
    net_add_samples(job->layer, job->a + first, job->b + first, net_samples(job->count, from, to),
                    job->out + first);
}

static void net_add_u8(const net_add_layer *layer, const uint8_t *a, const uint8_t *b, int count,
                       uint8_t *out)
{
    net_add_job job = {layer, a, b, out, count};

    net_parallel(net_add_part, &job, net_pieces(count), NET_PIECE / 2);
}
