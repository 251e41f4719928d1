/* Which two samples of an axis a place lies between, and the part of each. */

/* Find them; a place farther than `beyond` from all samples, 0 or 1, has parts of 0. With a beyond
   of 1 a place outside takes the nearest sample, with 0 it takes none for its part outside. */
static void net_taps(float at, int length, int beyond, int places[2], float parts[2])
{
    const float last = (float)(length - 1), edge = beyond ? last + 1.0f : (float)length;
    const int inside = beyond ? at >= -1.0f && at <= edge : at > -1.0f && at < edge;
    float first;

    places[0] = places[1] = 0;
    parts[0] = parts[1] = 0.0f;
    if (!inside) return;
    if (beyond) at = at < 0.0f ? 0.0f : at > last ? last : at;
    first = floorf(at);
    for (int tap = 0; tap < 2; tap++) {
        const float place = first + (float)tap;

        if (place < 0.0f || place > last) continue;
        places[tap] = (int)place;
        parts[tap] = tap ? at - first : 1.0f - (at - first);
    }
}
