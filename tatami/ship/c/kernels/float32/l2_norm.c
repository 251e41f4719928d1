/* sqrt(sum of in^2) along the middle axis of [outer][length][inner]; out: [outer][inner]. */
static void net_l2_norm(int outer, int length, int inner, const float *in, float *out)
{
    int line, i, k;

    for (line = 0; line < outer; line++, in += length * inner, out += inner) {
        for (i = 0; i < inner; i++) {
            float sum = 0.0f;

            for (k = 0; k < length; k++) sum += in[k * inner + i] * in[k * inner + i];
            out[i] = sqrtf(sum);
        }
    }
}
