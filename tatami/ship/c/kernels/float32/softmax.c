/* exp(x - largest) / sum of exp(x - largest) along the middle axis of [outer][length][inner].
 * in and out may be the same samples. */
static void net_softmax(int outer, int length, int inner, const float *in, float *out)
{
    int line, i, k;

    for (line = 0; line < outer; line++, in += length * inner, out += length * inner) {
        for (i = 0; i < inner; i++) {
            float largest = in[i], sum = 0.0f;

            for (k = 1; k < length; k++)
                if (in[k * inner + i] > largest) largest = in[k * inner + i];
            for (k = 0; k < length; k++) {
                out[k * inner + i] = net_exp(in[k * inner + i] - largest);
                sum += out[k * inner + i];
            }
            for (k = 0; k < length; k++) out[k * inner + i] /= sum;
        }
    }
}
