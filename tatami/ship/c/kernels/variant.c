/* Which kernels may be here, and which of them run. NET_FOR_X86 and the like say what the program
 * is written for; the compiler's own macros say what it is being compiled for. */
#if NET_FOR_X86 && defined(__x86_64__) && defined(__GNUC__)
#define NET_X86 1
#else
#define NET_X86 0
#endif
#if NET_X86 && defined(__linux__) && (defined(__clang__) ? __clang_major__ >= 12 : __GNUC__ >= 11)
#define NET_AMX_TILES 1
#else
#define NET_AMX_TILES 0
#endif
#if NET_FOR_NEON && defined(__GNUC__) && (defined(__aarch64__) || defined(__ARM_NEON)) && \
    defined(__ARMEL__) + defined(__AARCH64EL__)
#define NET_ARM_NEON 1
#else
#define NET_ARM_NEON 0
#endif
#if NET_FOR_DOTPROD && NET_ARM_NEON && defined(__aarch64__)
#define NET_ARM_DOTPROD 1
#else
#define NET_ARM_DOTPROD 0
#endif
#if NET_FOR_DSP && defined(__GNUC__) && defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && \
    !NET_ARM_NEON && defined(__ARMEL__)
#define NET_ARM_DSP 1
#else
#define NET_ARM_DSP 0
#endif
#if NET_FOR_SIMD128 && defined(__wasm_simd128__)
#define NET_WASM_SIMD 1
#else
#define NET_WASM_SIMD 0
#endif

enum {
    NET_UNKNOWN,
    NET_PORTABLE,
    NET_AVX2,
    NET_AVX512,
    NET_AVX512VNNI,
    NET_AMX,
    NET_NEON,
    NET_DOTPROD,
    NET_DSP,
    NET_SIMD128,
    NET_VARIANTS
};

static int net_variant = NET_UNKNOWN; /* known before any kernel runs; never NET_AMX: that is */
static int net_matrices = 0;          /* NET_AVX512VNNI and tiles of matrices */

#if NET_ARM_DOTPROD && defined(__linux__)
#include <sys/auxv.h>
#endif

/* AMX, for which Linux must be asked; a thread has what the one that started it had. */
#if NET_AMX_TILES
#include <cpuid.h>

static int net_has_matrices(void)
{
    const long ask = 158, leave = 0x1023, data_of_tiles = 18; /* arch_prctl, ARCH_REQ_XCOMP_PERM */
    unsigned a, b, c, d;
    long refused;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d >> 24 & 3) != 3) return 0;
    __asm__ volatile("syscall"
                     : "=a"(refused)
                     : "0"(ask), "D"(leave), "S"(data_of_tiles)
                     : "rcx", "r11", "memory");
    return refused == 0;
}
#elif NET_X86
static int net_has_matrices(void) { return 0; }
#endif

/* Whether this build has a variant and this processor runs it. */
static int net_has(int variant)
{
    switch (variant) {
    case NET_PORTABLE:
        return 1;
#if NET_X86
    case NET_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case NET_AVX512:
        return net_has(NET_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
    case NET_AVX512VNNI:
        return net_has(NET_AVX512) && __builtin_cpu_supports("avx512vnni");
    case NET_AMX:
        return net_has(NET_AVX512VNNI) && net_has_matrices();
#endif
#if NET_ARM_NEON
    case NET_NEON:
        return 1; /* the program could not run otherwise */
#endif
#if NET_ARM_DOTPROD
    case NET_DOTPROD:
#if defined(__ARM_FEATURE_DOTPROD) || defined(__APPLE__)
        return 1;
#elif defined(__linux__)
        return (getauxval(AT_HWCAP) >> 20 & 1) != 0; /* HWCAP_ASIMDDP */
#else
        return 0;
#endif
#endif
#if NET_ARM_DSP
    case NET_DSP:
        return 1;
#endif
#if NET_WASM_SIMD
    case NET_SIMD128:
        return 1; /* a browser without it would have refused the module */
#endif
    default:
        return 0;
    }
}

const char *net_kernels(const char *name)
{
    static const char *const names[NET_VARIANTS] = {
        "", "portable", "avx2", "avx512", "avx512vnni",
        "amx", "neon", "dotprod", "dsp", "simd128",
    };
    int variant;

    for (variant = NET_VARIANTS - 1; variant > NET_UNKNOWN; variant--) {
        if (name != NULL && strcmp(name, names[variant]) != 0) continue;
        if (!net_has(variant)) continue;
        net_matrices = variant == NET_AMX;
        net_variant = net_matrices ? NET_AVX512VNNI : variant;
        return names[variant];
    }
    return NULL;
}

/* Loops that compilers make vectors of, compiled once more for every instruction set that makes them
 * faster: `name`_body, always inline, is what they do; the numbers are the same. */
#if NET_X86
#if defined(__clang__)
#define NET_WIDE512 "avx512f,avx512bw,avx512dq,avx512vl"
#else
#define NET_WIDE512 "avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512"
#endif
#define NET_IN_VARIANTS(name, parameters, arguments) \
    __attribute__((target("avx2"))) static void name##_avx2 parameters { name##_body arguments; } \
    __attribute__((target(NET_WIDE512))) static void name##_avx512 parameters \
    { \
        name##_body arguments; \
    } \
    static void name parameters \
    { \
        if (net_variant == NET_AVX512 || net_variant == NET_AVX512VNNI) \
            name##_avx512 arguments; \
        else if (net_variant == NET_AVX2) \
            name##_avx2 arguments; \
        else \
            name##_body arguments; \
    }
#else
#define NET_IN_VARIANTS(name, parameters, arguments) \
    static void name parameters { name##_body arguments; }
#endif
