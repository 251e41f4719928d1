/* What a Cortex-M runs before main: it fills the memory that C expects to be filled, and switches
 * the floating point unit on. For the proof on an emulated board: files and exit by semihosting. */
#include <stdint.h>
#include <stdlib.h>

extern uint32_t net_stack_top, net_data_load, net_data_start, net_data_end, net_bss_start,
    net_bss_end;

int main(int argc, char **argv);
void initialise_monitor_handles(void); /* newlib's: opens standard input and output */
void net_reset(void);
void _fini(void);

void _fini(void) {} /* newlib's exit() calls it */

static void net_halt(void)
{
    for (;;) continue;
}

typedef void (*net_handler)(void);

/* The stack's end, then handlers: reset, NMI, and the faults, of which none is survived. */
__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    net_handler handlers[15];
} net_vectors = {&net_stack_top, {net_reset, net_halt, net_halt, net_halt, net_halt, net_halt}};

void net_reset(void)
{
    static char program[] = "proof", requests[] = "requests.bin", answers[] = "answers.bin";
    char *arguments[] = {program, requests, answers, NULL};
    uint32_t *from = &net_data_load, *to;

    *(volatile uint32_t *)0xE000ED88 |= (uint32_t)0xF << 20; /* CPACR: full access to the FPU */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    for (to = &net_data_start; to < &net_data_end;) *to++ = *from++;
    for (to = &net_bss_start; to < &net_bss_end;) *to++ = 0;
    initialise_monitor_handles();
    exit(main(3, arguments));
}
