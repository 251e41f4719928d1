/* Softmax of bytes along one of three axes, of what a mask lets see; the rest is 0:
 * docs/integer-arithmetic.md, section 8. An axis has a side, a step in the samples, and one in the
 * mask, 0 where that is repeated. in and out may be the same bytes. */
typedef struct {
    int side, step, mask_step;
} net_masked_axis;

static void net_masked_softmax_u8(const net_masked_axis *axes, const uint32_t *exponentials,
                                  uint64_t ratio, int zero_point, const uint8_t *mask,
                                  const uint8_t *in, uint8_t *out)
{
    const net_masked_axis along = axes[2];
    int p, q, k;

    for (p = 0; p < axes[0].side; p++) {
        for (q = 0; q < axes[1].side; q++) {
            const ptrdiff_t at = p * axes[0].step + q * axes[1].step;
            const uint8_t *const seen = mask + p * axes[0].mask_step + q * axes[1].mask_step;
            const uint8_t *const x = in + at;
            int largest = 0;
            uint64_t sum = 0;

            for (k = 0; k < along.side; k++)
                if (seen[k * along.mask_step] && x[k * along.step] > largest)
                    largest = x[k * along.step];
            for (k = 0; k < along.side; k++)
                if (seen[k * along.mask_step]) sum += exponentials[largest - x[k * along.step]];
            for (k = 0; k < along.side; k++) {
                uint64_t y = (uint64_t)zero_point;

                if (seen[k * along.mask_step]) {
                    const uint64_t e = exponentials[largest - x[k * along.step]];
                    y += (e * ratio + (sum << 15)) / (sum << 16);
                }
                out[at + k * along.step] = (uint8_t)(y > 255 ? 255 : y);
            }
        }
    }
}
