/* The network on Tatami's engine: open it once, then the functions of net.h compute there. They give
 * -2 where the engine fails; net_forward gives nothing, and net_rtl_failure says why. */
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

/* What net.c calls. */
void net_engine_give(int input, const void *samples);
int net_engine_take(int result, void *samples);

#endif
