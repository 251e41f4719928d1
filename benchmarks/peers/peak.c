/* What one core can do at most: multiply-adds a second by its best instruction for float32 and for
 * bytes, from registers alone. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum { SUMS = 12, TURNS = 4000000 };

/* Twelve sums, each waiting for itself alone, written out: an array might lie in memory. */
#define TWELVE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define BEGIN(i) a##i = zero;
#define STEP(i) a##i = ONE(a##i); __asm__ volatile("" : "+v"(a##i));
#define MEASURE(TYPE, ZERO, EACH) \
    const TYPE zero = ZERO; \
    TYPE a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11; \
    double begin; \
    long k; \
    TWELVE(BEGIN) \
    begin = now(); \
    for (k = 0; k < TURNS; k++) { TWELVE(STEP) } \
    return (double)TURNS * SUMS * EACH / (now() - begin) / 1e9;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double float512(void)
{
    const __m512 x = _mm512_set1_ps(1e-9f);
#define ONE(a) _mm512_fmadd_ps(x, x, a)
    MEASURE(__m512, _mm512_setzero_ps(), 16)
#undef ONE
}
__attribute__((target("avx2,fma"))) static double float256(void)
{
    const __m256 x = _mm256_set1_ps(1e-9f);
#define ONE(a) _mm256_fmadd_ps(x, x, a)
    MEASURE(__m256, _mm256_setzero_ps(), 8)
#undef ONE
}
__attribute__((target("avx512f,avx512vnni"))) static double bytes512(void)
{
    const __m512i x = _mm512_set1_epi8(3);
#define ONE(a) _mm512_dpbusd_epi32(a, x, x)
    MEASURE(__m512i, _mm512_setzero_si512(), 64)
#undef ONE
}
__attribute__((target("avx2"))) static double bytes256(void)
{
    const __m256i x = _mm256_set1_epi16(3);
#define ONE(a) _mm256_add_epi32(a, _mm256_madd_epi16(x, x))
    MEASURE(__m256i, _mm256_setzero_si256(), 16)
#undef ONE
}
#endif

int main(void)
{
    double floats = 0, bytes = 0;
    int i;

    for (i = 0; i < 5; i++) { /* the best of five: nothing else may count */
        double f = 0, b = 0;
#if defined(__x86_64__)
        f = __builtin_cpu_supports("avx512f") ? float512() : float256();
        b = __builtin_cpu_supports("avx512vnni") ? bytes512() : bytes256();
#endif
        if (f > floats) floats = f;
        if (b > bytes) bytes = b;
    }
    printf("%.2f %.2f\n", floats, bytes);
    return 0;
}
