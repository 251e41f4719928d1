/* The tile of conv.c with AMX: a tile register holds the 64 bytes of a run of up to 14 pixels, another
 * 16 dwords of weights of 16 outputs, as they lie in memory, and one instruction adds all their
 * products to 14 times 16 sums. Short runs, of which little of a register would be used, and single
 * pixels are left to vpdpbusd. */
#if NET_AMX_TILES
#include <immintrin.h>

#define NET_FOR_AMX __attribute__((target("amx-tile,amx-int8,avx512f")))

enum { NET_AMX_DWORDS = 8, NET_AMX_PIXELS = 4 }; /* from which on it is faster */

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16]; /* of a row of each register */
    uint8_t rows[16];
} net_tile_shapes;

#if NET_THREADS > 1
static __thread int net_shaped; /* what the registers of this thread were shaped for; 0: nothing */
#else
static int net_shaped;
#endif

/* Registers 0 and 1: sums. 2: pixels, 3 and 4: weights; 5 to 7 the same of what is left of a run. */
NET_FOR_AMX static void net_shape(int pixels, int left)
{
    net_tile_shapes s;
    int i;

    memset(&s, 0, sizeof s);
    s.palette = 1;
    for (i = 0; i < 8; i++) {
        s.bytes[i] = 64;
        s.rows[i] = (uint8_t)(i < 3 || i == 5 ? pixels : 16);
    }
    if (left > 0) {
        s.bytes[5] = (uint16_t)(4 * left);
        s.rows[6] = s.rows[7] = (uint8_t)left;
    }
    _tile_loadconfig(&s);
    net_shaped = 16 * pixels + left;
}

/* A layer begins: another program may have shaped this thread's registers meanwhile. */
static void net_forget_shapes(void) { net_shaped = 0; }

NET_FOR_AMX static void net_tile_int8_amx(const net_taps *t, const uint8_t *in, int pixels,
                                          const void *weights, int panels, const void *bias,
                                          void *sums)
{
    const int whole = t->dwords / 16, left = t->dwords % 16;
    const int8_t *w = weights;
    int32_t *to = sums;
    int row, run, k, i, p;

    if (t->dwords < NET_AMX_DWORDS || pixels < NET_AMX_PIXELS) {
        net_tile_int8_avx512vnni(t, in, pixels, weights, panels, bias, sums);
        return;
    }
    if (net_shaped != 16 * pixels + left) net_shape(pixels, left);
    for (p = 0; p < panels; p++) {
        const __m512i first = _mm512_loadu_si512((const int32_t *)bias + 16 * p);
        for (i = 0; i < pixels; i++)
            _mm512_storeu_si512(to + p * NET_PANEL_SUMS + 16 * i, first);
    }
    _tile_loadd(0, to, 64);
    if (panels > 1) _tile_loadd(1, to + NET_PANEL_SUMS, 64);
    for (row = 0; row < t->rows; row++, in += t->row_step) {
        const uint8_t *start = in;

        for (run = 0; run < t->runs; run++, start += t->run_step) {
            const uint8_t *q = start;

            for (k = 0; k < whole; k++, q += 64, w += 16 * 64) {
                _tile_loadd(2, q, t->pixel_step);
                _tile_loadd(3, w, 64);
                _tile_dpbusd(0, 2, 3);
                if (panels > 1) {
                    _tile_loadd(4, w + t->panel_step, 64);
                    _tile_dpbusd(1, 2, 4);
                }
            }
            if (left > 0) {
                _tile_loadd(5, q, t->pixel_step);
                _tile_loadd(6, w, 64);
                _tile_dpbusd(0, 5, 6);
                if (panels > 1) {
                    _tile_loadd(7, w + t->panel_step, 64);
                    _tile_dpbusd(1, 5, 7);
                }
                w += left * 64;
            }
        }
    }
    _tile_stored(0, to, 64);
    if (panels > 1) _tile_stored(1, to + NET_PANEL_SUMS, 64);
}
#endif
