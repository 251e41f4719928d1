/* Does this machine compute what was computed where the network was shipped? One input of drawn
 * bytes goes through the network, and what comes out is compared.
 * -DNET_SELFTEST_MAIN makes a program of it, whose exit code is the answer. */
#include "net.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t net_drawn;

static uint8_t net_draw(void)
{
    net_drawn = net_drawn * UINT32_C(1664525) + UINT32_C(1013904223);
    return (uint8_t)(net_drawn >> 24);
}

@functions@
@memory@

/* Gives 0, or the number of the first output that is wrong, from 1. */
int net_selftest(void);
int net_selftest(void)
{
    size_t i;

    net_drawn = 1;
@calls@
    return 0;
}

#ifdef NET_SELFTEST_MAIN
int main(void)
{
    return net_selftest();
}
#endif
