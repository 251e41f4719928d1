/* The network's example, below, on the engine: its main is called by one that opens the engine.
 *
 * On Linux, with -DTATAMI_RTL_UIO=1: the environment says where the engine is,
 *     TATAMI_UIO=/dev/uio0 TATAMI_MEMORY=/dev/udmabuf0 TATAMI_OFFSET=0 TATAMI_ADDRESS=0x3f000000
 * On bare metal: -DREGISTERS=0x43c00000 -DMEMORY=0x3f000000, both as the linker keeps them free. */
#define main net_example
@example@
#undef main

#include "net_rtl.h"

#ifndef REGISTERS
#define REGISTERS 0x43c00000
#endif
#ifndef MEMORY
#define MEMORY 0x3f000000
#endif

#if TATAMI_RTL_UIO
static unsigned long long number_of(const char *name, unsigned long long usual)
{
    const char *text = getenv(name);

    return text == NULL ? usual : strtoull(text, NULL, 0);
}

static const char *path_of(const char *name, const char *usual)
{
    const char *text = getenv(name);

    return text == NULL ? usual : text;
}

static int open_engine(tatami_rtl *engine)
{
    return tatami_rtl_open_uio(engine, path_of("TATAMI_UIO", "/dev/uio0"),
                               path_of("TATAMI_MEMORY", "/dev/udmabuf0"),
                               number_of("TATAMI_OFFSET", 0), number_of("TATAMI_ADDRESS", MEMORY),
                               NET_RTL_MEMORY);
}
#elif defined(OPEN_ENGINE)
int OPEN_ENGINE(tatami_rtl *engine, size_t size);
static int open_engine(tatami_rtl *engine) { return OPEN_ENGINE(engine, NET_RTL_MEMORY); }
#else
static int open_engine(tatami_rtl *engine)
{
    return tatami_rtl_open(engine, (volatile uint32_t *)(uintptr_t)REGISTERS,
                           (void *)(uintptr_t)MEMORY, MEMORY, NET_RTL_MEMORY);
}
#endif

int main(int argc, char **argv)
{
    tatami_rtl engine;
    int failed = open_engine(&engine);

    if (failed == 0) failed = net_rtl_open(&engine);
    if (failed != 0) {
        fprintf(stderr, "the engine does not answer: %d\n", failed);
        return 2;
    }
    failed = net_example(argc, argv);
    if (net_rtl_failure() != 0) {
        fprintf(stderr, "the engine fails: %d, status %lx\n", net_rtl_failure(),
                (unsigned long)tatami_rtl_status(&engine));
        failed = 2;
    }
    fprintf(stderr, "%lu cycles\n", (unsigned long)tatami_rtl_count(&engine).total);
    return failed;
}
