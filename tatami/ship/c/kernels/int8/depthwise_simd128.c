/* The rows of depthwise_portable.c in WebAssembly, sixteen channels at a time: two taps of a channel
 * are neighboring words, which one instruction multiplies and adds up. */
#if NET_WASM_SIMD
/* weights: of two taps, the second `second` bytes on, or none (0), of `count` channels. out: [4]. */
static void net_depthwise_weights_simd128(const int8_t *weights, int second, int count, v128_t *out)
{
    int16_t pairs[32] = {0};
    int c;

    for (c = 0; c < count; c++) {
        pairs[2 * c] = weights[c];
        if (second != 0) pairs[2 * c + 1] = weights[second + c];
    }
    for (c = 0; c < 4; c++) out[c] = wasm_v128_load(pairs + 8 * c);
}

static void net_depthwise_simd128(const net_depthwise_step *d, const uint8_t *in, int rows,
                                  uint8_t *out)
{
    const net_depthwise_shape *s = d->shape;
    const int taps = s->kernel_rows * s->kernel_columns, groups = (taps + 1) / 2;
    const int pitch = net_depthwise_pitch(s) * s->stride_rows;
    int offsets[NET_DEPTHWISE_TAPS];
    int first, i, g, j;

    net_depthwise_offsets(s, 2 * groups, offsets);
    for (first = 0; first < s->channels; first += 16) {
        const int count = s->channels - first < 16 ? s->channels - first : 16;
        v128_t weights[2 * NET_DEPTHWISE_TAPS], bias[4];
        net_scales_simd128 scales[4];
        int32_t start[16] = {0};

        memcpy(start, d->bias + first, (size_t)count * sizeof *start);
        for (g = 0; g < groups; g++)
            net_depthwise_weights_simd128(d->weights + 2 * g * s->channels + first,
                                          2 * g + 1 < taps ? s->channels : 0, count,
                                          weights + 4 * g);
        for (j = 0; j < 4; j++) {
            bias[j] = wasm_v128_load(start + 4 * j);
            scales[j] = net_scales_of_simd128(d->results, first + 4 * j, count - 4 * j);
        }
        for (i = 0; i < rows * s->out_columns; i++) {
            const int y = i / s->out_columns, x = i % s->out_columns;
            const uint8_t *at = in + y * pitch + x * s->stride_columns * s->channels + first;
            uint8_t *to = out + i * s->channels + first;
            v128_t sums[4];

            for (j = 0; j < 4; j++) sums[j] = bias[j];
            for (g = 0; g < groups; g++) {
                const v128_t a = wasm_v128_load(at + offsets[2 * g]);
                const v128_t b = wasm_v128_load(at + offsets[2 * g + 1]);
                const v128_t low = wasm_i8x16_shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                                      6, 22, 7, 23);
                const v128_t high = wasm_i8x16_shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13,
                                                       29, 14, 30, 15, 31);
                const v128_t zipped[4] = {
                    wasm_u16x8_extend_low_u8x16(low), wasm_u16x8_extend_high_u8x16(low),
                    wasm_u16x8_extend_low_u8x16(high), wasm_u16x8_extend_high_u8x16(high)};
                for (j = 0; j < 4; j++)
                    sums[j] = wasm_i32x4_add(sums[j],
                                             wasm_i32x4_dot_i16x8(zipped[j], weights[4 * g + j]));
            }
            for (j = 0; j < 4; j++) sums[j] = net_twice_simd128(sums[j], &scales[j]);
            net_put_simd128(d->results, sums, count, to);
        }
    }
}
#endif
