#ifndef NET_H
#define NET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

@constants@

@functions@

/* Choose the kernels by name: "portable", "avx2", "avx512", "avx512vnni", "amx", "neon", "dotprod",
 * "dsp", "simd128"; NULL is the best that this processor has, and what the first call of anything
 * else chooses. Returns the name in use, or NULL, and changes nothing, where this build or processor
 * has not got it. Kernels of whole numbers all give the same bits. */
const char *net_kernels(const char *name);

#ifdef __cplusplus
}
#endif

#endif
