/* The network on the engine: net.c as it was shipped, whose own loops are not used. What is before
 * and after them, the picture rule and what becomes of the maps, is the same to the bit. */
#define net_detect net_detect_in_c
#include "net.c"
#undef net_detect

#include "net_rtl.h"

@tables@

static tatami_rtl *net_engine;
static int net_failure; /* of the last frame */

int net_rtl_open(tatami_rtl *engine)
{
    net_engine = engine;
    return tatami_rtl_load(engine, &net_rtl);
}

int net_rtl_forward(const NET_INPUT *images@arguments@)
{
    tatami_rtl_put(net_engine, &net_rtl_input, images);
    net_failure = tatami_rtl_run(net_engine, NET_RTL_TRIES);
    if (net_failure != 0) return net_failure;
@get@    return 0;
}

int net_rtl_failure(void) { return net_failure; }

int net_detect(const uint8_t *rgb, int width, int height, float score_threshold,
               net_detection *out, int capacity)
{
    static NET_INPUT images[NET_HEIGHT * NET_WIDTH * 3];
@maps@
    if (rgb == NULL || width < 1 || height < 1 || width > NET_MAX_SIDE || height > NET_MAX_SIDE ||
        capacity < 0 || (out == NULL && capacity > 0) || isnan(score_threshold))
        return -1;
    net_prepare(rgb, width, height, images);
    if (net_rtl_forward(images@given@)) return -2;
    return net_read_maps(maps, width, height, score_threshold, out, capacity);
}
