

/* The sound rule, docs/sound-rule.md: frames of samples to features, in whole numbers. Samples come
 * in pieces of any length. tatami/rules/sound.py is the same in NumPy. */
#define NET_HALF (NET_TRANSFORM / 2)

static const uint16_t net_hann[NET_WINDOW] = {
@window@
};
/* 2^30 cos(2 pi k / NET_TRANSFORM) */
static const int32_t net_cosines[NET_HALF] = {
@cosines@
};
/* The first place of each band in the spectrum, and where its weights begin. */
static const uint16_t net_band_places[NET_BANDS] = {
@places@
};
static const uint16_t net_band_weights[NET_BANDS + 1] = {
@starts@
};
static const uint16_t net_weights_of_bands[] = {
@weights@
};
/* 2^16 log2(1 + i / 128) */
static const uint32_t net_logarithms[129] = {
@logarithms@
};
#if NET_COEFFICIENTS
static const int16_t net_cosine_transform[NET_COEFFICIENTS * NET_BANDS] = {
@transform@
};
#endif

static struct {
    int16_t held[NET_WINDOW]; /* samples that are waited with, the first `count` of them */
    int count;
    int frames; /* up to NET_FRAMES: how many of the newest are in `features` */
    int next;   /* where the next one is written */
    int16_t features[NET_FRAMES][NET_FEATURES];
#if NET_GAIN
    int heard;
    uint64_t smooth[NET_BANDS];
#endif
} net_sound;

static int32_t net_spectrum[NET_HALF][2];
static uint64_t net_power[NET_HALF + 1];

/* 256 log2(v), v from 1 on: by the table and straight lines. */
static int32_t net_logarithm(uint64_t v)
{
    uint32_t exponent = 63, place, beyond, whole;
    uint64_t line;

    while (!(v >> 63)) {
        v <<= 1;
        exponent--;
    }
    place = (uint32_t)(v >> 56) & 127;
    beyond = (uint32_t)(v >> 32) & 0xFFFFFF;
    line = (uint64_t)(net_logarithms[place + 1] - net_logarithms[place]) * beyond + (1u << 23);
    whole = (exponent << 16) + net_logarithms[place] + (uint32_t)(line >> 24);
    return (int32_t)((whole + 128) >> 8);
}

/* Turn a complex number by k of NET_TRANSFORM parts of a circle, clockwise. */
static void net_turn(int32_t re, int32_t im, int k, int32_t *y)
{
    const int64_t cosine = k < NET_HALF ? net_cosines[k] : -((int64_t)1 << 30);
    const int64_t sine = net_cosines[k < NET_HALF / 2 ? NET_HALF / 2 - k : k - NET_HALF / 2];
    const int64_t first = (int64_t)1 << 29;

    y[0] = (int32_t)((re * cosine + im * sine + first) >> 30);
    y[1] = (int32_t)((im * cosine - re * sine + first) >> 30);
}

/* Samples in net_spectrum, two a place, to their transform; then to twice that of real samples. */
static void net_transform(void)
{
    int32_t t[2];
    int i, j, k, bit, span;

    for (i = 1, j = 0; i < NET_HALF; i++) { /* j: the bits of i in reverse */
        for (bit = NET_HALF >> 1; j & bit; bit >>= 1) j ^= bit;
        j |= bit;
        if (i < j)
            for (k = 0; k < 2; k++) {
                t[k] = net_spectrum[i][k];
                net_spectrum[i][k] = net_spectrum[j][k];
                net_spectrum[j][k] = t[k];
            }
    }
    for (span = 1; span < NET_HALF; span *= 2)
        for (i = 0; i < NET_HALF; i += 2 * span)
            for (j = 0; j < span; j++) {
                int32_t *a = net_spectrum[i + j], *b = net_spectrum[i + j + span];

                net_turn(b[0], b[1], j * (NET_HALF / span), t);
                b[0] = a[0] - t[0];
                b[1] = a[1] - t[1];
                a[0] += t[0];
                a[1] += t[1];
            }
    for (k = 0; k <= NET_HALF; k++) {
        const int32_t *a = net_spectrum[k % NET_HALF], *b = net_spectrum[(NET_HALF - k) % NET_HALF];
        int64_t re, im;

        net_turn(a[1] + b[1], b[0] - a[0], k, t);
        re = (int64_t)a[0] + b[0] + t[0];
        im = (int64_t)a[1] - b[1] + t[1];
        net_power[k] = (uint64_t)(re * re + im * im) >> 8;
    }
}

/* The features of the samples that are held. */
static void net_frame(int16_t *features)
{
    int32_t logarithms[NET_BANDS];
    int b, i;

    memset(net_spectrum, 0, sizeof net_spectrum);
    for (i = 0; i < NET_WINDOW; i++)
        net_spectrum[i / 2][i % 2] =
            (net_sound.held[i] * (int32_t)net_hann[i] + (1 << (NET_HEADROOM - 1))) >> NET_HEADROOM;
    net_transform();
    for (b = 0; b < NET_BANDS; b++) {
        const uint64_t *power = net_power + net_band_places[b];
        uint64_t energy = 0;

        for (i = net_band_weights[b]; i < net_band_weights[b + 1]; i++)
            energy += net_weights_of_bands[i] * *power++;
        logarithms[b] = net_logarithm(energy + 1);
#if NET_GAIN
        if (!net_sound.heard) net_sound.smooth[b] = energy;
        net_sound.smooth[b] +=
            (uint64_t)(((int64_t)energy - (int64_t)net_sound.smooth[b]) >> NET_SMOOTHING);
        logarithms[b] -= (NET_STRENGTH * net_logarithm(net_sound.smooth[b] + 1) + 128) >> 8;
#endif
    }
#if NET_GAIN
    net_sound.heard = 1;
#endif
    for (i = 0; i < NET_FEATURES; i++) {
#if NET_COEFFICIENTS
        int64_t sum = 1 << 13;

        for (b = 0; b < NET_BANDS; b++)
            sum += (int64_t)net_cosine_transform[i * NET_BANDS + b] * logarithms[b];
        features[i] = (int16_t)(sum >> 14);
#else
        features[i] = (int16_t)logarithms[i];
#endif
    }
}

void net_reset(void)
{
    memset(&net_sound, 0, sizeof net_sound);
}

int net_listen(const int16_t *samples, int count)
{
    int frames = 0;

    while (count > 0) {
        int taken = NET_WINDOW - net_sound.count;

        if (taken > count) taken = count;
        memcpy(net_sound.held + net_sound.count, samples, (size_t)taken * sizeof *samples);
        net_sound.count += taken;
        samples += taken;
        count -= taken;
        if (net_sound.count < NET_WINDOW) break;
        net_frame(net_sound.features[net_sound.next]);
        net_sound.next = (net_sound.next + 1) % NET_FRAMES;
        if (net_sound.frames < NET_FRAMES) net_sound.frames++;
        net_sound.count -= NET_STEP;
        memmove(net_sound.held, net_sound.held + NET_STEP,
            (size_t)net_sound.count * sizeof *net_sound.held);
        frames++;
    }
    return frames;
}
