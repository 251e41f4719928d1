/* The network on Tatami's engine: open it once, then net_detect of net.h is computed there; it gives
 * -2 where the engine fails. */
#ifndef NET_RTL_H
#define NET_RTL_H

#include "net.h"
#include "tatami_rtl.h"

/* Looks at the status before a frame counts as lost: with UIO a hundredth of a second each. */
#ifndef NET_RTL_TRIES
#if TATAMI_RTL_UIO
#define NET_RTL_TRIES 1000
#else
#define NET_RTL_TRIES 100000000
#endif
#endif
#define NET_RTL_MEMORY @size@ /* bytes of memory that both must see */

int net_rtl_open(tatami_rtl *engine);

/* 0 where the last frame was computed, else why not: TATAMI_RTL_LATE, TATAMI_RTL_FAILED. */
int net_rtl_failure(void);
int net_rtl_forward(const NET_INPUT *images@arguments@);

#endif
