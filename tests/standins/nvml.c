/*
 * A library that answers as libnvidia-ml.so.1 does on a GB10 (NVIDIA DGX Spark), or as it does on a sick machine.
 *
 * $FAKE_NVML says which: healthy (the default), memory-reported, h100, two-gpus, no-devices, mismatch, not-loaded, unknown,
 * no-permission, lost, nonsense, garbage, hang-init, hang-name, segfault-load, segfault-init, abort. $FAKE_NVML_DRIVER is the
 * driver's version. Compiled with -DOLD it lacks what came with later drivers.
 *
 * What a GB10 answers, from public reports: NVML_ERROR_NOT_SUPPORTED for its memory (XuehaiPan/nvitop #208, leptonai/gpud #1170,
 * Syllo/nvtop #466) and for its power limit (lablup/all-smi #80). Codes and signatures: nvml.h, docs.nvidia.com/deploy/nvml-api.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, LIB_RM_VERSION_MISMATCH = 18, UNKNOWN = 999
};

typedef struct { unsigned long long total, free, used; } memory_v1;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory_v2;
typedef struct { int index; } device;

static device devices[32];
static int started;

static int is(const char *name)
{
    const char *mode = getenv("FAKE_NVML");
    return strcmp(mode && *mode ? mode : "healthy", name) == 0;
}

static void crash(void)
{
    struct rlimit none = {0, 0};
    int *volatile nowhere = NULL;
    setrlimit(RLIMIT_CORE, &none);
    *(volatile int *)nowhere = 1;
}

static void hang(void)
{
    for (;;)
        pause();
}

static int say(char *buffer, unsigned int size, const char *words)
{
    if (strlen(words) + 1 > size)
        return INSUFFICIENT_SIZE;
    strcpy(buffer, words);
    return SUCCESS;
}

static unsigned int count(void)
{
    if (is("garbage"))
        return 1000000000u;
    return is("no-devices") ? 0 : is("two-gpus") ? 2 : 1;
}

static unsigned long long memory(void)
{
    if (is("h100"))
        return 85520809984ull; /* 81559 MiB */
    /* MemTotal of a GB10: 125441420 kB. That NVML reports it was only ever claimed. */
    return is("memory-reported") ? 128452014080ull : 0;
}

__attribute__((constructor)) static void loaded(void)
{
    if (is("segfault-load"))
        crash();
}

static int start(void)
{
    struct rlimit none = {0, 0};
    if (is("hang-init"))
        hang();
    if (is("segfault-init"))
        crash();
    if (is("abort")) {
        setrlimit(RLIMIT_CORE, &none);
        abort();
    }
    if (is("mismatch"))
        return LIB_RM_VERSION_MISMATCH;
    if (is("not-loaded"))
        return DRIVER_NOT_LOADED;
    if (is("unknown"))
        return UNKNOWN;
    started = 1;
    return SUCCESS;
}

int nvmlInit_v2(void) { return start(); }

int nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return start();
}

int nvmlShutdown(void)
{
    started = 0;
    return SUCCESS;
}

const char *nvmlErrorString(int code)
{
    switch (code) {
    case SUCCESS: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID_ARGUMENT: return "Invalid Argument";
    case NOT_SUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case INSUFFICIENT_SIZE: return "Insufficient Size";
    case DRIVER_NOT_LOADED: return "Driver Not Loaded";
    case GPU_IS_LOST: return "GPU is lost";
    case LIB_RM_VERSION_MISMATCH: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}

int nvmlSystemGetDriverVersion(char *version, unsigned int size)
{
    const char *driver = getenv("FAKE_NVML_DRIVER");
    if (!started)
        return UNINITIALIZED;
    if (is("garbage"))
        return say(version, size, "no.version; rm -rf /");
    return say(version, size, driver && *driver ? driver : "580.95.05");
}

int nvmlSystemGetNVMLVersion(char *version, unsigned int size)
{
    char words[80] = "13.";
    const char *driver = getenv("FAKE_NVML_DRIVER");
    if (is("garbage"))
        return say(version, size, "\xff\xfe\x01\x9b");
    strncat(words, driver && *driver ? driver : "580.95.05", sizeof words - 4);
    return say(version, size, words);
}

int nvmlDeviceGetCount_v2(unsigned int *number)
{
    if (!started)
        return UNINITIALIZED;
    *number = count();
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device **handle)
{
    if (!started)
        return UNINITIALIZED;
    if (index >= count() || index >= sizeof devices / sizeof *devices)
        return INVALID_ARGUMENT;
    if (is("no-permission"))
        return NO_PERMISSION;
    if (is("lost"))
        return GPU_IS_LOST;
    devices[index].index = (int)index;
    *handle = &devices[index];
    return SUCCESS;
}

int nvmlDeviceGetName(device *handle, char *name, unsigned int size)
{
    (void)handle;
    if (is("hang-name"))
        hang();
    if (is("garbage") || is("nonsense"))
        return say(name, size, "NVIDIA \xff\xfeGB10\x1b[2J");
    return say(name, size, is("h100") ? "NVIDIA H100 80GB HBM3" : "NVIDIA GB10");
}

int nvmlDeviceGetCudaComputeCapability(device *handle, int *major, int *minor)
{
    (void)handle;
    *major = is("h100") ? 9 : 12;
    *minor = is("h100") ? 0 : 1;
    if (is("garbage") || is("nonsense")) {
        *major = 9999;
        *minor = -7;
    }
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(device *handle, memory_v1 *found)
{
    (void)handle;
    memset(found, 0, sizeof *found);
    if (!memory())
        return NOT_SUPPORTED;
    found->total = memory();
    found->used = 1ull << 30;
    found->free = found->total - found->used;
    return SUCCESS;
}

int nvmlDeviceGetPowerManagementLimit(device *handle, unsigned int *milliwatts)
{
    (void)handle;
    if (!is("h100"))
        return NOT_SUPPORTED;
    *milliwatts = 700000;
    return SUCCESS;
}

#ifndef OLD

int nvmlSystemGetCudaDriverVersion(int *version)
{
    *version = is("garbage") ? -42 : 13000;
    return SUCCESS;
}

int nvmlSystemGetCudaDriverVersion_v2(int *version) { return nvmlSystemGetCudaDriverVersion(version); }

int nvmlDeviceGetMemoryInfo_v2(device *handle, memory_v2 *found)
{
    memory_v1 same;
    int code = nvmlDeviceGetMemoryInfo(handle, &same);
    found->total = same.total;
    found->free = same.free;
    found->used = same.used;
    found->reserved = 0;
    return code;
}

int nvmlDeviceGetGspFirmwareVersion(device *handle, char *version)
{
    const char *driver = getenv("FAKE_NVML_DRIVER");
    (void)handle;
    strcpy(version, is("garbage") ? "\xff\xff" : driver && *driver ? driver : "580.95.05");
    return SUCCESS;
}

#endif
