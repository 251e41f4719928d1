/* What a value was `calls` calls ago, by a ring of as many places of `size` bytes, of which the one
 * at *place is the oldest: it is given, and the value takes it. */
static void net_delay(const void *in, void *ring, int32_t *place, int size, int calls, void *out)
{
    uint8_t *oldest = (uint8_t *)ring + (size_t)*place * (size_t)size;

    memcpy(out, oldest, (size_t)size);
    memcpy(oldest, in, (size_t)size);
    if (++*place == calls) *place = 0;
}
