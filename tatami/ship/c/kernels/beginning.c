/* Threads: with -DNET_THREADS=1 none but the caller's. */
#ifndef NET_THREADS
#define NET_THREADS @threads@
#endif
#if NET_THREADS > @threads@
#error "the arena has scratch memory for @threads@ threads: ship with more --threads"
#endif
#if NET_THREADS > 1 && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200112L
#endif
#if NET_THREADS > 1 && defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* which core a thread is on */
#endif

#include "net.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#if defined(__GNUC__)
/* Kernels serve many networks: not every function of theirs is of use in each. */
#pragma GCC diagnostic ignored "-Wunused-function"
#endif
/* A product and a sum are two roundings, on every machine. With -std=c99, GCC knows. That nobody
 * waits for traps changes no number, but lets it make vectors of loops that compare. */
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__) && defined(__OPTIMIZE__)
#pragma GCC optimize("no-trapping-math")
#endif
#if defined(__GNUC__) && !defined(__clang__) && !defined(__STRICT_ANSI__)
#pragma GCC optimize("fp-contract=off")
#endif
#if defined(__FAST_MATH__)
#error "-ffast-math changes what the network computes: compile without it"
#endif

#if defined(__GNUC__)
#define NET_ALIGNED __attribute__((aligned(@alignment@)))
/* Memory of the arena changes its type between two steps: nothing moves across. */
#define NET_BARRIER() __asm__ volatile("" ::: "memory")
/* For a function that is compiled once more for every instruction set that calls it. */
#define NET_ALWAYS_INLINE __attribute__((always_inline)) static inline
#else
#define NET_ALWAYS_INLINE static
#define NET_ALIGNED
#define NET_BARRIER() ((void)0)
#endif

/* Called after every step where -DNET_TRACE=function is given; else nothing. */
#ifdef NET_TRACE
void NET_TRACE(int step, const void *value, size_t bytes);
#else
#define NET_TRACE(step, value, bytes) ((void)0)
#endif

@written_for@
