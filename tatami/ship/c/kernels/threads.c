/* Work in parts, one a thread. net_parallel calls work(context, part, parts) for each part from 0
 * on, at once where the program is compiled for NET_THREADS threads, and returns when all are done.
 * Results must not depend on `parts`. */
typedef void net_work(const void *context, int part, int parts);

#if NET_THREADS > 1
#include <pthread.h>

enum { NET_SPINS = 4000 }; /* a few microseconds of looking before a thread goes to sleep */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t begun, ended;
    int helpers;         /* threads beside the caller; -1: none were started yet */
    unsigned generation; /* counts calls; with all below, guarded by the mutex */
    int left;            /* helpers still at work */
    net_work *work;
    const void *context;
} net_pool = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER, -1, 0,
              0, NULL, NULL};

#if defined(__GNUC__)
/* Look, without the mutex, whether a number has come (or ceased) to be `value`; then stop. */
#define NET_SPIN_WHILE(number, relation, value) \
    do { \
        int spins = NET_SPINS; \
        while (__atomic_load_n(&(number), __ATOMIC_RELAXED) relation(value) && spins > 0) spins--; \
    } while (0)
#define NET_STORE(number, value) __atomic_store_n(&(number), (value), __ATOMIC_RELAXED)
#else
#define NET_SPIN_WHILE(number, relation, value) ((void)0)
#define NET_STORE(number, value) ((number) = (value))
#endif

static void *net_helper(void *argument)
{
    const int part = (int)(intptr_t)argument;
    unsigned seen = 0;

    for (;;) {
        net_work *work;
        const void *context;
        int parts;

        NET_SPIN_WHILE(net_pool.generation, ==, seen);
        pthread_mutex_lock(&net_pool.mutex);
        while (net_pool.generation == seen) pthread_cond_wait(&net_pool.begun, &net_pool.mutex);
        seen = net_pool.generation;
        work = net_pool.work;
        context = net_pool.context;
        parts = net_pool.helpers + 1;
        pthread_mutex_unlock(&net_pool.mutex);

        work(context, part, parts);

        pthread_mutex_lock(&net_pool.mutex);
        NET_STORE(net_pool.left, net_pool.left - 1);
        if (net_pool.left == 0) pthread_cond_signal(&net_pool.ended);
        pthread_mutex_unlock(&net_pool.mutex);
    }
    return NULL;
}

/* As many helpers as the system gives, which sleep until there is work, until the program ends. */
static void net_start_helpers(void)
{
    net_pool.helpers = 0;
    while (net_pool.helpers < NET_THREADS - 1) {
        pthread_t thread;
        void *const part = (void *)(intptr_t)(net_pool.helpers + 1);

        if (pthread_create(&thread, NULL, net_helper, part) != 0) break;
        pthread_detach(thread);
        net_pool.helpers++;
    }
}

static void net_parallel(net_work *work, const void *context)
{
    int helpers;

    pthread_mutex_lock(&net_pool.mutex);
    if (net_pool.helpers < 0) net_start_helpers();
    helpers = net_pool.helpers;
    net_pool.work = work;
    net_pool.context = context;
    NET_STORE(net_pool.left, helpers);
    NET_STORE(net_pool.generation, net_pool.generation + 1);
    if (helpers > 0) pthread_cond_broadcast(&net_pool.begun);
    pthread_mutex_unlock(&net_pool.mutex);

    work(context, 0, helpers + 1);
    if (helpers == 0) return;

    NET_SPIN_WHILE(net_pool.left, !=, 0);
    pthread_mutex_lock(&net_pool.mutex);
    while (net_pool.left > 0) pthread_cond_wait(&net_pool.ended, &net_pool.mutex);
    pthread_mutex_unlock(&net_pool.mutex);
}
#else
static void net_parallel(net_work *work, const void *context) { work(context, 0, 1); }
#endif
