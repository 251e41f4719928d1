/* y = table[x].  in and out may be the same bytes. */
#if NET_X86
#include <immintrin.h>

/* Whole vectors of 64 bytes, where the processor looks 64 up at once; gives how many bytes that is. */
__attribute__((target("avx512f,avx512bw,avx512vbmi"))) static int net_table_avx512(
    const uint8_t *table, const uint8_t *in, int count, uint8_t *out)
{
    const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64);
    const __m512i c = _mm512_loadu_si512(table + 128), d = _mm512_loadu_si512(table + 192);
    int i;

    for (i = 0; i + 64 <= count; i += 64) {
        const __m512i x = _mm512_loadu_si512(in + i); /* seven bits choose within two of four */
        const __m512i low = _mm512_permutex2var_epi8(a, x, b);
        const __m512i high = _mm512_permutex2var_epi8(c, x, d);

        _mm512_storeu_si512(out + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
    }
    return i;
}
#endif

static void net_table(const uint8_t *table, const uint8_t *in, int count, uint8_t *out)
{
    int i = 0;

#if NET_X86
    if ((net_variant == NET_AVX512 || net_variant == NET_AVX512VNNI) &&
        __builtin_cpu_supports("avx512vbmi"))
        i = net_table_avx512(table, in, count, out);
#endif
    for (; i < count; i++) out[i] = table[in[i]];
}

typedef struct {
    const uint8_t *table, *in;
    uint8_t *out;
    int count;
} net_table_job;

static void net_table_part(void *context, int from, int to, int thread)
{
    const net_table_job *job = context;
    const int first = from * NET_PIECE;

    (void)thread;
    net_table(job->table, job->in + first, net_samples(job->count, from, to), job->out + first);
}

/* A whole map. */
static void net_table_map(const uint8_t *table, const uint8_t *in, int count, uint8_t *out)
{
    net_table_job job = {table, in, out, count};

    net_parallel(net_table_part, &job, net_pieces(count), NET_PIECE / 16);
}
