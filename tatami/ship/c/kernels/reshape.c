/* Another shape for the same samples, of `size` bytes each. Only how many channels there are, and
 * how many places, counts: sample k in ONNX's order is channel k / places, place k % places. */
static void net_copy(int bytes, const void *in, void *out)
{
    memcpy(out, in, (size_t)bytes);
}

/* in: [places][channels].  out: [out_places][out_channels]. */
static void net_reshape(int size, int channels, int places, int out_channels, int out_places,
                        const void *in, void *out)
{
    const size_t bytes = (size_t)size;
    const uint8_t *from = in;
    uint8_t *to = out;
    int channel, place, out_channel = 0, out_place = 0;

    for (channel = 0; channel < channels; channel++) {
        for (place = 0; place < places; place++) {
            memcpy(to + (size_t)(out_place * out_channels + out_channel) * bytes,
                   from + (size_t)(place * channels + channel) * bytes, bytes);
            if (++out_place == out_places) {
                out_place = 0;
                out_channel++;
            }
        }
    }
}
