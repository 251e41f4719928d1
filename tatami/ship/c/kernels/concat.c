/* One part of a concatenation along the channels: parts lie one after another. */
static void net_copy(const float *in, int count, float *out)
{
    memcpy(out, in, (size_t)count * sizeof *out);
}
