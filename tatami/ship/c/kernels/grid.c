/* Where a grid samples one axis of a map: taps, and what lies outside. */

typedef enum { NET_GRID_ZEROS, NET_GRID_BORDER, NET_GRID_REFLECTION } net_grid_padding;

/* Fold what lies outside low and high back in, as between two mirrors. */
static float net_grid_reflected(float at, float low, float high)
{
    const float span = high - low;
    const float away = at < low ? low - at : at > high ? at - high : 0.0f;
    float turns, rest;
    int even;

    if (span <= 0.0f) return low;
    if (!(away > 0.0f)) return at;
    turns = truncf(away / span);
    rest = away - turns * span;
    even = fmodf(turns, 2.0f) == 0.0f;
    return (at < low) == even ? low + rest : high - rest;
}

/* Find the sample that is at a whole number: -1 where that is outside. */
static int net_grid_sample(float at, int length, net_grid_padding padding, float low, float high)
{
    if (padding == NET_GRID_BORDER) at = fminf(fmaxf(at, 0.0f), (float)(length - 1));
    if (padding == NET_GRID_REFLECTION) at = truncf(net_grid_reflected(at, low, high));
    return at >= 0.0f && at < (float)length ? (int)at : -1;
}

/* The cubic's weight of a sample less than one sample away, and of one farther away. */
static float net_grid_near(float x)
{
    return (1.25f * x - 2.25f) * x * x + 1.0f;
}

static float net_grid_far(float x)
{
    return ((-0.75f * x + 3.75f) * x - 6.0f) * x + 3.0f;
}

/* Find the taps of one place along an axis, 1, 2 or 4 of them, and their weights. */
static void net_grid_taps(float grid, int length, int taps, net_grid_padding padding, int aligned,
                          int *places, float *weights)
{
    const float low = aligned ? 0.0f : -0.5f;
    const float high = aligned ? (float)(length - 1) : (float)length - 0.5f;
    float at = aligned ? (grid + 1.0f) * 0.5f * (float)(length - 1)
                       : ((grid + 1.0f) * (float)length - 1.0f) * 0.5f;
    float first, part;

    if (taps == 1) at = nearbyintf(at);
    if (padding == NET_GRID_BORDER && (at < low || at > high)) {
        at = fminf(fmaxf(at, 0.0f), (float)(length - 1));
    }
    if (padding == NET_GRID_REFLECTION) at = net_grid_reflected(at, low, high);
    first = floorf(at);
    part = at - first;
    if (taps == 1) {
        weights[0] = 1.0f;
    } else if (taps == 2) {
        weights[0] = 1.0f - part;
        weights[1] = part;
    } else {
        first -= 1.0f;
        weights[0] = net_grid_far(part + 1.0f);
        weights[1] = net_grid_near(part);
        weights[2] = net_grid_near(1.0f - part);
        weights[3] = net_grid_far(1.0f - part + 1.0f);
    }
    for (int tap = 0; tap < taps; tap++) {
        places[tap] = net_grid_sample(first + (float)tap, length, padding, low, high);
    }
}
