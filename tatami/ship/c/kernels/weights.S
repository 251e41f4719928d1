/* The weights, as they are: little-endian, each array at a multiple of 64 bytes. Ship with --weights
 * array for a machine that is not, or for a compiler that does not know .incbin. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "this machine is not little-endian: ship with --weights array"
#endif
#if defined(__APPLE__)
    .const
    .balign 64
    .globl _net_weights
_net_weights:
    .incbin "net_weights.bin"
#elif defined(__wasm__)
    .section .rodata.net_weights, "", @
    .p2align 6
    .globl net_weights
    .type net_weights, @object
net_weights:
    .incbin "net_weights.bin"
    .size net_weights, . - net_weights
#else
    .section .rodata
    .balign 64
    .globl net_weights
net_weights:
    .incbin "net_weights.bin"
    .section .note.GNU-stack, "", %progbits
#endif
