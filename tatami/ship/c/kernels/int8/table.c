/* y = table[x].  in and out may be the same bytes. */
static void net_table(const uint8_t *table, const uint8_t *in, int count, uint8_t *out)
{
    int i;

    for (i = 0; i < count; i++) out[i] = table[in[i]];
}
