/* Tatami's engine (tatami_axi.v) seen from a processor beside it: registers, memory, a frame.
 *
 * C99, for bare metal as it is; with -DTATAMI_RTL_UIO=1 for Linux, where the registers are a UIO
 * device and the memory is one that both sides see (a reserved range of /dev/mem, or udmabuf).
 * docs/rtl.md has the register map and how to bring a board up.
 *
 *     tatami_rtl engine;
 *     tatami_rtl_open(&engine, registers, memory, address, size);
 *     tatami_rtl_load(&engine, &network);                        once
 *     tatami_rtl_put(&engine, &input, pixels);                   a frame
 *     tatami_rtl_run(&engine, tries);
 *     tatami_rtl_get(&engine, &output, samples);
 */
#ifndef TATAMI_RTL_H
#define TATAMI_RTL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Registers: bytes from the base. */
enum {
    TATAMI_RTL_ID = 0x00,      /* reads 0x54415441 */
    TATAMI_RTL_VERSION = 0x04, /* major in the upper half, minor in the lower */
    TATAMI_RTL_SHAPE = 0x08,   /* requantizers, pixels: 8 bits each; lanes: 16 */
    TATAMI_RTL_MEMORY = 0x0c,  /* log2 of the bus 31..29, of the ring 28..24; bits of a sum 23..18; map */
    TATAMI_RTL_CONTROL = 0x10, /* write 1: start; 2: reset */
    TATAMI_RTL_STATUS = 0x14,  /* the bits below; write 2: done is seen */
    TATAMI_RTL_ENABLE = 0x18,  /* 1: done raises the interrupt */
    TATAMI_RTL_BASE = 0x20,    /* of memory, a multiple of 4096: lower word, upper word */
    TATAMI_RTL_PROGRAM = 0x28, /* where the program is, from the base */
    TATAMI_RTL_BYTES = 0x2c,   /* how long it is, a multiple of the bus */
    TATAMI_RTL_COUNTERS = 0x40 /* tatami_rtl_counters, word by word */
};
enum {
    TATAMI_RTL_BUSY = 0x01,
    TATAMI_RTL_DONE = 0x02,
    TATAMI_RTL_READ_FAILED = 0x10,  /* memory answered a read with an error */
    TATAMI_RTL_WRITE_FAILED = 0x20, /* and a write */
    TATAMI_RTL_BAD_COMMAND = 0x40,  /* a word of the program is none that there is */
    TATAMI_RTL_BAD_PROGRAM = 0x80   /* it has no end, or no length */
};

/* What functions return: 0, or one of these. */
enum {
    TATAMI_RTL_NO_ENGINE = -1,    /* there is none at the registers, or one of another version */
    TATAMI_RTL_OTHER_ENGINE = -2, /* the network was lowered for another shape */
    TATAMI_RTL_NO_ROOM = -3,      /* the memory is too small, or not on a page */
    TATAMI_RTL_LATE = -4,         /* not done after so many looks */
    TATAMI_RTL_FAILED = -5,       /* done with an error: tatami_rtl_status */
    TATAMI_RTL_NO_DEVICE = -6     /* Linux: a device cannot be opened or mapped */
};

/* The engine. */
typedef struct {
    volatile uint32_t *registers;
    uint8_t *memory;  /* as the processor sees it */
    uint64_t address; /* the same as the engine sees it: a multiple of 4096 */
    size_t size;
    uint32_t program, bytes; /* of the loaded network */
    int device, device_memory; /* Linux: files */
} tatami_rtl;

/* A map in memory: planes of some channels, each in the order of reading. */
typedef struct {
    uint32_t at;          /* from the base */
    int channels, rows, columns;
    int per_plane;        /* channels of a plane */
    int first;            /* which of the whole map's channels is the first one */
    int whole;            /* channels of the whole map */
    const uint16_t *lies; /* the place of each channel; NULL: in order */
    const float *scale;   /* of sums, of 4 bytes, for each channel of the whole; NULL: bytes */
} tatami_rtl_map;

/* A network, lowered for an engine. */
typedef struct {
    uint32_t shape, memory; /* what SHAPE must read, and MEMORY at least */
    const uint8_t *image;   /* constants, then the program */
    uint32_t image_at, image_bytes, program_at, program_bytes;
    uint32_t size;          /* bytes of memory in all */
} tatami_rtl_network;

/* What a frame took: cycles but for the bytes. */
typedef struct {
    uint32_t cycles, steps;     /* of the core; those in which it multiplied */
    uint32_t constants, maps, out; /* waits: for constants, for maps, for room to leave */
    uint32_t total;             /* from the start until all was written */
    uint32_t beats_constants, beats_maps, beats_program, beats_out; /* across the buses */
    uint32_t bus;               /* cycles in which memory did not take what was offered */
} tatami_rtl_counters;

/* Take an engine and memory that both see. */
int tatami_rtl_open(tatami_rtl *engine, volatile uint32_t *registers, void *memory, uint64_t address,
                    size_t size);

#if TATAMI_RTL_UIO
/* The same on Linux: "/dev/uio0"; "/dev/udmabuf0" at offset 0, or "/dev/mem" at the address. */
int tatami_rtl_open_uio(tatami_rtl *engine, const char *uio, const char *memory, uint64_t offset,
                        uint64_t address, size_t size);
void tatami_rtl_close(tatami_rtl *engine);
#endif

/* Put a network into memory, and tell the engine where it is. */
int tatami_rtl_load(tatami_rtl *engine, const tatami_rtl_network *network);

/* Put a map in: samples is [rows][columns][channels]. */
void tatami_rtl_put(tatami_rtl *engine, const tatami_rtl_map *map, const uint8_t *samples);

/* Begin a frame; something else can be done until it is waited for. */
void tatami_rtl_start(tatami_rtl *engine);

/* Wait until it is done; with UIO by the interrupt, else by looking `tries` times. */
int tatami_rtl_wait(tatami_rtl *engine, uint32_t tries);

/* Both. */
int tatami_rtl_run(tatami_rtl *engine, uint32_t tries);

/* Get a map out: samples is [rows][columns][whole], of bytes, or of floats: sum * scale. */
void tatami_rtl_get(tatami_rtl *engine, const tatami_rtl_map *map, void *samples);

uint32_t tatami_rtl_status(const tatami_rtl *engine);
tatami_rtl_counters tatami_rtl_count(const tatami_rtl *engine);

/* Give up what runs; the network must be loaded again. 0, or TATAMI_RTL_LATE. */
int tatami_rtl_reset(tatami_rtl *engine, uint32_t tries);

#ifdef __cplusplus
}
#endif

#endif
