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
    void (*add)(const net_add_layer *, const uint8_t *, const uint8_t *, int, uint8_t *) =
        net_add_samples;

    (void)thread;
#if NET_X86
    if (net_variant == NET_AVX512 || net_variant == NET_AVX512VNNI) add = net_add_vectors_avx512;
#endif
#if NET_ARM_NEON
    if (net_variant == NET_NEON || net_variant == NET_DOTPROD) add = net_add_vectors_neon;
#endif
    add(job->layer, job->a + first, job->b + first, net_samples(job->count, from, to),
        job->out + first);
}

static void net_add_u8(const net_add_layer *layer, const uint8_t *a, const uint8_t *b, int count,
                       uint8_t *out)
{
    net_add_job job = {layer, a, b, out, count};

    net_parallel(net_add_part, &job, net_pieces(count), NET_PIECE / 2);
}
