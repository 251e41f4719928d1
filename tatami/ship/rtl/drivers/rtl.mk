# `make -f rtl.mk` builds the example for Linux; with `DEFINES=-DREGISTERS=... -DMEMORY=...` for bare
# metal.
CC = cc
CFLAGS = -O3
DEFINES = -DTATAMI_RTL_UIO=1

net_rtl: main_rtl.c net_rtl.c net_rtl.h tatami_rtl.c tatami_rtl.h net.c net_weights.c main.c net.h net_rtl_image.S net_rtl.bin
	$(CC) -std=c99 $(CFLAGS) $(DEFINES) -o $@ main_rtl.c net_rtl.c tatami_rtl.c net_weights.c net_rtl_image.S -lm
