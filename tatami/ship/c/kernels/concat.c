/* One part of a concatenation: `runs` pieces of memory of `run` bytes, which lie one after another
 * in the part and `step` bytes apart in the whole. */
static void net_concat(const void *in, int runs, int run, uint8_t *out, int step)
{
    const uint8_t *from = in;
    int i;

    for (i = 0; i < runs; i++, from += run, out += step) memcpy(out, from, (size_t)run);
}
