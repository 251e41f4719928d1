#include "bridge.h"

#include "tatami_rtl.h"

#include <stdio.h>
#include <stdlib.h>

static FILE *to, *from;

static void end(const char *why)
{
    perror(why);
    exit(9);
}

static void send(int code, uint32_t first, uint32_t second, size_t bytes)
{
    const uint32_t words[2] = {first, second};

    putc(code, to);
    if (fwrite(words, 1, bytes, to) != bytes) end("send");
}

static void receive(void *bytes, size_t count)
{
    fflush(to);
    if (fread(bytes, 1, count, from) != count) end("receive");
}

uint32_t bridge_read(uint32_t offset)
{
    uint32_t value;

    send('Q', offset, 0, 4);
    receive(&value, sizeof value);
    return value;
}

void bridge_write(uint32_t offset, uint32_t value) { send('P', offset, value, 8); }

void bridge_flush(const uint8_t *memory, uint64_t address, size_t begin, size_t bytes)
{
    send('W', (uint32_t)(address + begin), (uint32_t)bytes, 8);
    if (fwrite(memory + begin, 1, bytes, to) != bytes) end("flush");
}

void bridge_invalidate(uint8_t *memory, uint64_t address, size_t begin, size_t bytes)
{
    send('R', (uint32_t)(address + begin), (uint32_t)bytes, 8);
    receive(memory + begin, bytes);
}

int open_simulated(tatami_rtl *engine, size_t size)
{
    static uint8_t memory[1 << 16];

    if (size > sizeof memory) exit(9);
    to = fopen(getenv("BENCH_TO"), "wb");
    from = fopen(getenv("BENCH_FROM"), "rb");
    if (to == NULL || from == NULL) end("bench");
    return tatami_rtl_open(engine, NULL, memory, 0x12345000u, size);
}
