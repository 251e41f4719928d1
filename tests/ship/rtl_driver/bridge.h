/* Registers and memory of a simulated engine (axi_bench.cpp), at the other end of two pipes. Memory is
 * not shared: what the driver forgets to flush or to invalidate, the engine or the driver never sees. */
#include <stdint.h>
#include <stddef.h>

uint32_t bridge_read(uint32_t offset);
void bridge_write(uint32_t offset, uint32_t value);
void bridge_flush(const uint8_t *memory, uint64_t address, size_t from, size_t bytes);
void bridge_invalidate(uint8_t *memory, uint64_t address, size_t from, size_t bytes);

#define TATAMI_RTL_READ(engine, offset) ((void)(engine), bridge_read((uint32_t)(offset)))
#define TATAMI_RTL_WRITE(engine, offset, value) bridge_write((uint32_t)(offset), (uint32_t)(value))
#define TATAMI_RTL_FLUSH(engine, from, bytes) \
    bridge_flush((engine)->memory, (engine)->address, (from), (bytes))
#define TATAMI_RTL_INVALIDATE(engine, from, bytes) \
    bridge_invalidate((engine)->memory, (engine)->address, (from), (bytes))
