/* The weights, in digits enough to give every number back. */
#include <math.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NET_ALIGNED __attribute__((aligned(@alignment@)))
#else
#define NET_ALIGNED
#endif

typedef int net_weights_follow; /* or none: a network may have no weights */
