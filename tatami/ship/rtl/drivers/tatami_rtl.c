/* The driver of Tatami's engine: tatami_rtl.h says what each function does. */
#if TATAMI_RTL_UIO && !defined(_POSIX_C_SOURCE)
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64
#endif

#include "tatami_rtl.h"

#include <string.h>

#if TATAMI_RTL_UIO
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

/* What a machine may say in its own way, for example with
 * -DTATAMI_RTL_CONFIG='"board.h"':
 *
 *     TATAMI_RTL_FLUSH(engine, from, bytes)       caches to memory, before the engine reads
 *     TATAMI_RTL_INVALIDATE(engine, from, bytes)  forget caches, after the engine has written
 *
 * Memory behind a coherent port, and memory that Linux maps uncached, needs neither. */
#ifdef TATAMI_RTL_CONFIG
#include TATAMI_RTL_CONFIG
#endif
#ifndef TATAMI_RTL_FLUSH
#define TATAMI_RTL_FLUSH(engine, from, bytes) ((void)(from), (void)(bytes))
#endif
#ifndef TATAMI_RTL_INVALIDATE
#define TATAMI_RTL_INVALIDATE(engine, from, bytes) ((void)(from), (void)(bytes))
#endif
#ifndef TATAMI_RTL_READ
#define TATAMI_RTL_READ(engine, offset) ((engine)->registers[(offset) / 4])
#define TATAMI_RTL_WRITE(engine, offset, value) ((void)((engine)->registers[(offset) / 4] = (value)))
#endif
/* Memory and registers are seen in the order of the program. */
#if defined(__GNUC__)
#define FENCE() __sync_synchronize()
#else
#define FENCE() ((void)0)
#endif

#define ID 0x54415441u
#define MAJOR 1u
#define PAGE 4096u

int tatami_rtl_open(tatami_rtl *engine, volatile uint32_t *registers, void *memory, uint64_t address,
                    size_t size)
{
    engine->registers = registers;
    engine->memory = memory;
    engine->address = address;
    engine->size = size;
    engine->program = engine->bytes = 0;
    engine->device = engine->device_memory = -1;
    if (TATAMI_RTL_READ(engine, TATAMI_RTL_ID) != ID ||
        TATAMI_RTL_READ(engine, TATAMI_RTL_VERSION) >> 16 != MAJOR)
        return TATAMI_RTL_NO_ENGINE;
    return address % PAGE != 0 ? TATAMI_RTL_NO_ROOM : 0;
}

#if TATAMI_RTL_UIO
static void *mapped(int file, size_t size, off_t offset)
{
    void *found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, offset);

    return found == MAP_FAILED ? NULL : found;
}

int tatami_rtl_open_uio(tatami_rtl *engine, const char *uio, const char *memory, uint64_t offset,
                        uint64_t address, size_t size)
{
    const int device = open(uio, O_RDWR | O_SYNC), both = open(memory, O_RDWR | O_SYNC);
    void *registers = device < 0 ? NULL : mapped(device, PAGE, 0);
    void *bytes = both < 0 ? NULL : mapped(both, size, (off_t)offset);
    int result = TATAMI_RTL_NO_DEVICE;

    if (registers != NULL && bytes != NULL)
        result = tatami_rtl_open(engine, registers, bytes, address, size);
    engine->registers = registers;
    engine->memory = bytes;
    engine->size = size;
    engine->device = device;
    engine->device_memory = both;
    if (result != 0) tatami_rtl_close(engine);
    return result;
}

void tatami_rtl_close(tatami_rtl *engine)
{
    if (engine->registers != NULL) munmap((void *)(uintptr_t)engine->registers, PAGE);
    if (engine->memory != NULL) munmap(engine->memory, engine->size);
    if (engine->device >= 0) close(engine->device);
    if (engine->device_memory >= 0) close(engine->device_memory);
    engine->registers = NULL;
    engine->memory = NULL;
    engine->device = engine->device_memory = -1;
}

/* UIO: writing 1 lets the next interrupt through, reading waits for it. A device that cannot do
 * that is looked at every hundredth of a second. */
static void let_interrupt(const tatami_rtl *engine)
{
    const uint32_t one = 1;
    const ssize_t written = write(engine->device, &one, sizeof one);

    (void)written;
}

static void await_interrupt(const tatami_rtl *engine)
{
    struct pollfd wanted;
    uint32_t count;

    wanted.fd = engine->device;
    wanted.events = POLLIN;
    wanted.revents = 0;
    if (poll(&wanted, 1, 10) == 1 && read(engine->device, &count, sizeof count) < 0)
        poll(NULL, 0, 10);
}
#else
#define let_interrupt(engine) ((void)(engine))
#define await_interrupt(engine) ((void)(engine))
#endif

/* An engine with the same bus, and no less of all else, serves a network. */
static int serves(uint32_t has, uint32_t needs)
{
    return has >> 29 == needs >> 29 && (has >> 24 & 31) >= (needs >> 24 & 31) &&
           (has >> 18 & 63) >= (needs >> 18 & 63) && (has & 0x1ffff) >= (needs & 0x1ffff);
}

int tatami_rtl_load(tatami_rtl *engine, const tatami_rtl_network *network)
{
    if (TATAMI_RTL_READ(engine, TATAMI_RTL_SHAPE) != network->shape ||
        !serves(TATAMI_RTL_READ(engine, TATAMI_RTL_MEMORY), network->memory))
        return TATAMI_RTL_OTHER_ENGINE;
    if (engine->size < network->size) return TATAMI_RTL_NO_ROOM;
    memcpy(engine->memory + network->image_at, network->image, network->image_bytes);
    TATAMI_RTL_FLUSH(engine, network->image_at, network->image_bytes);
    engine->program = network->program_at;
    engine->bytes = network->program_bytes;
    return 0;
}

/* Where a sample of the first column and row of a channel lies; the next is per_plane further. */
static size_t place_of(const tatami_rtl_map *map, int channel)
{
    const int lies = map->lies == NULL ? channel : map->lies[channel];
    const size_t plane = (size_t)map->rows * (size_t)map->columns * (size_t)map->per_plane;

    return (size_t)(lies / map->per_plane) * plane + (size_t)(lies % map->per_plane);
}

static size_t bytes_of(const tatami_rtl_map *map)
{
    const int last = map->channels - 1;
    const int lies = map->lies == NULL ? last : map->lies[last];

    return (size_t)(lies / map->per_plane + 1) * (size_t)map->rows * (size_t)map->columns *
           (size_t)map->per_plane * (map->scale == NULL ? 1 : sizeof(int32_t));
}

void tatami_rtl_put(tatami_rtl *engine, const tatami_rtl_map *map, const uint8_t *samples)
{
    uint8_t *to = engine->memory + map->at;
    const size_t pixels = (size_t)map->rows * (size_t)map->columns;
    size_t i;
    int c;

    memset(to, 0, bytes_of(map));
    for (c = 0; c < map->channels; c++) {
        uint8_t *at = to + place_of(map, c);
        for (i = 0; i < pixels; i++)
            at[i * (size_t)map->per_plane] = samples[i * (size_t)map->channels + (size_t)c];
    }
    TATAMI_RTL_FLUSH(engine, map->at, bytes_of(map));
}

void tatami_rtl_start(tatami_rtl *engine)
{
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_BASE, (uint32_t)engine->address);
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_BASE + 4, (uint32_t)(engine->address >> 32));
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_PROGRAM, engine->program);
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_BYTES, engine->bytes);
    let_interrupt(engine);
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_ENABLE, 1);
    FENCE();
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_CONTROL, 1);
}

int tatami_rtl_wait(tatami_rtl *engine, uint32_t tries)
{
    uint32_t status = tatami_rtl_status(engine);

    while ((status & TATAMI_RTL_DONE) == 0) {
        if (tries-- == 0) return TATAMI_RTL_LATE;
        await_interrupt(engine);
        status = tatami_rtl_status(engine);
    }
    FENCE();
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_STATUS, TATAMI_RTL_DONE);
    return (status & 0xf0) == 0 ? 0 : TATAMI_RTL_FAILED;
}

int tatami_rtl_run(tatami_rtl *engine, uint32_t tries)
{
    tatami_rtl_start(engine);
    return tatami_rtl_wait(engine, tries);
}

static void get_sums(const uint8_t *from, const tatami_rtl_map *map, int channel, float *out)
{
    const size_t pixels = (size_t)map->rows * (size_t)map->columns;
    const float scale = map->scale[map->first + channel];
    size_t i;

    from += place_of(map, channel) * sizeof(int32_t);
    for (i = 0; i < pixels; i++) {
        int32_t sum;
        memcpy(&sum, from + i * (size_t)map->per_plane * sizeof sum, sizeof sum);
        out[i * (size_t)map->whole + (size_t)(map->first + channel)] = (float)sum * scale;
    }
}

static void get_bytes(const uint8_t *from, const tatami_rtl_map *map, int channel, uint8_t *out)
{
    const size_t pixels = (size_t)map->rows * (size_t)map->columns;
    size_t i;

    from += place_of(map, channel);
    for (i = 0; i < pixels; i++)
        out[i * (size_t)map->whole + (size_t)(map->first + channel)] =
            from[i * (size_t)map->per_plane];
}

void tatami_rtl_get(tatami_rtl *engine, const tatami_rtl_map *map, void *samples)
{
    const uint8_t *from = engine->memory + map->at;
    int c;

    TATAMI_RTL_INVALIDATE(engine, map->at, bytes_of(map));
    for (c = 0; c < map->channels; c++)
        if (map->scale != NULL) get_sums(from, map, c, samples);
        else get_bytes(from, map, c, samples);
}

uint32_t tatami_rtl_status(const tatami_rtl *engine)
{
    return TATAMI_RTL_READ(engine, TATAMI_RTL_STATUS);
}

tatami_rtl_counters tatami_rtl_count(const tatami_rtl *engine)
{
    tatami_rtl_counters counters;
    uint32_t words[sizeof counters / sizeof(uint32_t)];
    size_t i;

    for (i = 0; i < sizeof words / sizeof *words; i++)
        words[i] = TATAMI_RTL_READ(engine, TATAMI_RTL_COUNTERS + 4 * i);
    memcpy(&counters, words, sizeof counters);
    return counters;
}

int tatami_rtl_reset(tatami_rtl *engine, uint32_t tries)
{
    TATAMI_RTL_WRITE(engine, TATAMI_RTL_CONTROL, 2);
    while (tatami_rtl_status(engine) & TATAMI_RTL_BUSY)
        if (tries-- == 0) return TATAMI_RTL_LATE;
    return 0;
}
