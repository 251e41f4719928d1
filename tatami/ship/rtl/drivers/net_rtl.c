/* The engine's share of the network: net.c gives it the inputs, and takes what it makes of them. */
#include "net_rtl.h"

@tables@

static tatami_rtl *net_engine;
static int net_failure; /* of the last frame */

int net_rtl_open(tatami_rtl *engine)
{
    net_engine = engine;
    return tatami_rtl_load(engine, &net_rtl);
}

int net_rtl_failure(void) { return net_failure; }

void net_engine_give(int input, const void *samples)
{
    tatami_rtl_put(net_engine, &net_rtl_inputs[input], samples);
}

int net_engine_take(int result, void *samples)
{
    int part;

    if (result == 0) net_failure = tatami_rtl_run(net_engine, NET_RTL_TRIES);
    for (part = net_rtl_parts[result]; part < net_rtl_parts[result + 1] && net_failure == 0; part++)
        tatami_rtl_get(net_engine, &net_rtl_results[part], samples);
    return net_failure;
}
