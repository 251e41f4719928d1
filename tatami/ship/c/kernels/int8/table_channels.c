/* y = table[channel][x], a table of 256 bytes a channel.  in and out may be the same bytes. */
static void net_table_channels(const uint8_t *table, const uint8_t *in, int places, int channels,
                               uint8_t *out)
{
    int i, c;

    for (i = 0; i < places; i++, in += channels, out += channels)
        for (c = 0; c < channels; c++) out[c] = table[256 * c + in[c]];
}
