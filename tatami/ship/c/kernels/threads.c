/* Work in chunks. net_parallel cuts the units 0 ... units - 1 of some work into chunks and calls
 * work(context, first, end, thread) for each, on all threads that the program is compiled for, and
 * returns when all are done. `thread`, from 0 on, says whose scratch it is. What comes out must not
 * depend on who does what. Of units whose `cost` is small, many are a chunk; and what is small as a
 * whole is done by the caller, who wakes nobody. */
typedef void net_work(void *context, int first, int end, int thread);

/* The least cost of a chunk: vector instructions, a few microseconds. */
#ifndef NET_GRAIN
#define NET_GRAIN 8192
#endif

enum { NET_PIECE = 1024 }; /* samples that are a unit where all that counts is how many there are */

static int net_pieces(int count) { return (count + NET_PIECE - 1) / NET_PIECE; }

/* Of `count` samples those in units `from` ... to - 1, which begin with sample from * NET_PIECE. */
static int net_samples(int count, int from, int to)
{
    return (to * NET_PIECE < count ? to * NET_PIECE : count) - from * NET_PIECE;
}

#if NET_THREADS > 1
#if !defined(__GNUC__)
#error "threads need the atomics of GCC or clang: compile with -DNET_THREADS=1"
#endif
#include <pthread.h>
#include <time.h>
#if defined(__GLIBC__) && defined(__linux__) 
#include <sched.h>
#define NET_CORES 1
#else
#define NET_CORES 0
#endif

enum {
    NET_CHUNKS = 8,     /* that a thread has at most */
    NET_APART = 16,     /* numbers of a cache line */
    NET_LOOKS = 16,     /* from one look at the clock to the next */
    NET_SPIN = 200000   /* nanoseconds of looking before a thread goes to sleep */
};

/* Each thread has a queue of chunks of its own, which lie together, so that it sees the memory that
 * it saw in the step before; when it is empty, it takes from the others'. Who has taken a chunk may
 * read what to do, which stays until the chunk is finished. So nobody waits for a thread that was
 * not given a core: its chunks are taken by who has one. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int sleepers;
    int helpers;    /* threads beside the caller; -1: none were started yet */
    int generation; /* counts calls */
    int unfinished; /* chunks */
    int left[NET_THREADS][NET_APART]; /* chunks of each queue that nobody has taken */
    net_work *work;
    void *context;
    int units, chunks;
} net_pool = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER, .helpers = -1};

static int64_t net_nanoseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void net_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__ARM_ARCH) && __ARM_ARCH >= 7)
    __asm__ volatile("yield");
#endif
}

/* Wait until a number is (or ceases to be) `value`: awake for a while, then asleep. */
static void net_await(const int *number, int value, int is)
{
    const int64_t end = net_nanoseconds() + NET_SPIN;
    int look;

    do {
        for (look = 0; look < NET_LOOKS; look++) {
            if ((__atomic_load_n(number, __ATOMIC_ACQUIRE) == value) == is) return;
            net_pause();
        }
    } while (net_nanoseconds() < end);
    pthread_mutex_lock(&net_pool.mutex);
    __atomic_add_fetch(&net_pool.sleepers, 1, __ATOMIC_SEQ_CST);
    while ((__atomic_load_n(number, __ATOMIC_SEQ_CST) == value) != is)
        pthread_cond_wait(&net_pool.changed, &net_pool.mutex);
    __atomic_sub_fetch(&net_pool.sleepers, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&net_pool.mutex);
}

/* After a number has changed: who sleeps looks at it. Either this sees the sleeper, or the sleeper
 * sees the number. */
static void net_wake(void)
{
    if (__atomic_load_n(&net_pool.sleepers, __ATOMIC_SEQ_CST) == 0) return;
    pthread_mutex_lock(&net_pool.mutex);
    pthread_cond_broadcast(&net_pool.changed);
    pthread_mutex_unlock(&net_pool.mutex);
}

/* Take a chunk of a queue: how many were left, this one being the first of them, or 0. */
static int net_take(int queue)
{
    int *const left = net_pool.left[queue];
    int seen = __atomic_load_n(left, __ATOMIC_RELAXED);

    while (seen > 0 && !__atomic_compare_exchange_n(left, &seen, seen - 1, 0, __ATOMIC_ACQUIRE,
                                                    __ATOMIC_RELAXED)) continue;
    return seen;
}

/* The first chunk of a queue. */
static int net_queue(int queue) { return net_pool.chunks * queue / (net_pool.helpers + 1); }

/* Work until nothing is left to be taken. */
static void net_work_off(int thread)
{
    int turn;

    for (turn = 0; turn < NET_THREADS; turn++) {
        const int queue = (thread + turn) % NET_THREADS;
        int left;

        while ((left = net_take(queue)) > 0) {
            const int64_t units = net_pool.units, chunks = net_pool.chunks;
            const int chunk = net_queue(queue + 1) - left;

            net_pool.work(net_pool.context, (int)(units * chunk / chunks),
                          (int)(units * (chunk + 1) / chunks), thread);
            if (__atomic_sub_fetch(&net_pool.unfinished, 1, __ATOMIC_SEQ_CST) == 0) net_wake();
        }
    }
}

static void *net_helper(void *argument)
{
    const int thread = (int)(intptr_t)argument;
    int seen = 0;

    for (;;) {
        net_await(&net_pool.generation, seen, 0);
        seen = __atomic_load_n(&net_pool.generation, __ATOMIC_ACQUIRE);
        net_work_off(thread);
    }
    return NULL;
}

#if NET_CORES
static pthread_t net_threads[NET_THREADS];

/* Keep the helpers off the caller's core: a system that is busy likes to wake them there, where they
 * would wait for each other. */
static void net_step_aside(void)
{
    static int last = -1;
    const int core = sched_getcpu();
    cpu_set_t allowed;
    int thread;

    if (core < 0 || core == last) return;
    last = core;
    if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0) return;
    if (core < CPU_SETSIZE && CPU_COUNT(&allowed) > 1) CPU_CLR((size_t)core, &allowed);
    for (thread = 1; thread <= net_pool.helpers; thread++)
        pthread_setaffinity_np(net_threads[thread], sizeof allowed, &allowed);
}
#else
static void net_step_aside(void) {}
#endif

/* As many helpers as the system gives, until the program ends. */
static void net_start_helpers(void)
{
    net_pool.helpers = 0;
    while (net_pool.helpers < NET_THREADS - 1) {
        pthread_t helper;
        void *const thread = (void *)(intptr_t)(net_pool.helpers + 1);

        if (pthread_create(&helper, NULL, net_helper, thread) != 0) break;
        pthread_detach(helper);
#if NET_CORES
        net_threads[net_pool.helpers + 1] = helper;
#endif
        net_pool.helpers++;
    }
}

static void net_parallel(net_work *work, void *context, int units, int64_t cost)
{
    const int64_t worth = cost * units / NET_GRAIN;
    int queue;

    if (worth < 2 || units < 2) {
        work(context, 0, units, 0);
        return;
    }
    if (net_pool.helpers < 0) net_start_helpers();
    net_step_aside();
    net_pool.work = work;
    net_pool.context = context;
    net_pool.units = units;
    net_pool.chunks = NET_CHUNKS * (net_pool.helpers + 1);
    if (net_pool.chunks > worth) net_pool.chunks = (int)worth;
    if (net_pool.chunks > units) net_pool.chunks = units;
    __atomic_store_n(&net_pool.unfinished, net_pool.chunks, __ATOMIC_RELAXED);
    for (queue = 0; queue <= net_pool.helpers; queue++)
        __atomic_store_n(net_pool.left[queue], net_queue(queue + 1) - net_queue(queue),
                         __ATOMIC_RELEASE);
    __atomic_add_fetch(&net_pool.generation, 1, __ATOMIC_SEQ_CST);
    net_wake();
    net_work_off(0);
    net_await(&net_pool.unfinished, 0, 1);
}
#else
static void net_parallel(net_work *work, void *context, int units, int64_t cost)
{
    (void)cost;
    work(context, 0, units, 0);
}
#endif
