/* The constants and the program of the engine, as one block. */
    .section .rodata
    .globl net_rtl_image
    .balign 64
net_rtl_image:
    .incbin "net_rtl.bin"
    .section .note.GNU-stack, "", %progbits
