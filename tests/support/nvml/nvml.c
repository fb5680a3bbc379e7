/* A libnvidia-ml.so.1 whose devices are lines of a mapped scenario file (environment NVML_SCENARIO).
 *
 * The file: 8 bytes generation, 8 bytes length, then lines "key=value". The library reads them again as
 * soon as the generation changes. A value is a text, a number, "base+rate/s" (a counter that runs by itself) or "!N"
 * (the call returns NVML error N). A key that isn't there answers NOT_SUPPORTED. Keys are named by the Python side,
 * tests/support/nvml/__init__.py. "gpu.0.hang" and "system.hang" hold calls until they are gone; "gpu.0.lost" makes
 * every call on the device answer GPU_IS_LOST.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef unsigned int u32;
typedef unsigned long long u64;
enum { OK = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NO_PERMISSION = 4, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9, TIMED_OUT = 10, FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15,
       VERSION_MISMATCH = 25 };
enum { GPUS = 16, SLICES = 8, BUCKETS = 1 << 15, MAPPED = 1 << 20 };

typedef struct { int gpu, slice; } device; /* slice -1: the whole GPU */
typedef struct { char *key, *value; } pair;
typedef struct { uint64_t seen[GPUS], kinds[GPUS]; } event_set;

static struct { volatile uint64_t generation; uint64_t length; char text[]; } *scenario;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t generation;
static char *copy;
static pair table[BUCKETS]; /* open addressing: what the library costs is no cost of the program that calls it */
static int trouble, initialised, watch;
static int board_file = -1; /* held open and locked while initialised, as a driver's device files are */
static _Atomic u64 *spent; /* nanoseconds inside of this library, at the end of the mapping */
static double started;
static device devices[GPUS][SLICES + 1];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void rest(int milliseconds) { usleep(milliseconds * 1000); }

/* -- the scenario */

/* The bucket that holds a key, or where it would go. */
static pair *bucket(const char *key) {
    u32 hash = 2166136261u;
    for (const char *c = key; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    pair *found = &table[hash % BUCKETS];
    while (found->key && strcmp(found->key, key)) found = found == &table[BUCKETS - 1] ? table : found + 1;
    return found;
}

static void parse(void) {
    char *line, *save;
    do { /* the generation is odd while the text is being written */
        while ((generation = scenario->generation) & 1) usleep(10);
        free(copy);
        copy = strndup(scenario->text, scenario->length);
    } while (generation != scenario->generation);
    memset(table, 0, sizeof table);
    trouble = strstr(copy, "hang=") || strstr(copy, "lost=");
    for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *equals = strchr(line, '=');
        if (!equals) continue;
        *equals = 0;
        *bucket(line) = (pair){line, equals + 1};
    }
}

static int load(void) {
    const char *path = getenv("NVML_SCENARIO");
    int file = path ? open(path, O_RDWR) : -1;
    if (file < 0) return DRIVER_NOT_LOADED;
    void *memory = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) return DRIVER_NOT_LOADED;
    scenario = memory;
    spent = (void *)((char *)memory + MAPPED - sizeof *spent);
    started = now();
    watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    inotify_add_watch(watch, path, IN_ATTRIB);
    return OK;
}

/* The value of a key into `out` (at most `size` bytes), or an NVML error. */
static int text_of(const char *key, char *out, size_t size) {
    int result = NOT_SUPPORTED;
    double began = now();
    pthread_mutex_lock(&lock);
    if (generation != scenario->generation) parse();
    const char *value = bucket(key)->value;
    if (value && value[0] == '!') result = atoi(value + 1);
    else if (value) {
        size_t length = strnlen(value, size - 1);
        memcpy(out, value, length);
        out[length] = 0;
        result = OK;
    }
    pthread_mutex_unlock(&lock);
    *spent += (u64)((now() - began) * 1e9);
    return result;
}

static int number_of(const char *key, double *out) {
    char text[128], *after;
    int result = text_of(key, text, sizeof text);
    if (result != OK) return result;
    *out = (double)strtoll(text, &after, 10);
    if (*after == '.') *out = strtod(text, &after);
    if (*after == '+') *out += strtod(after + 1, NULL) * (now() - started);
    return OK;
}

static int is_set(const char *key) {
    double value;
    return number_of(key, &value) == OK && value != 0;
}

static void hold(const char *key) {
    while (is_set(key)) rest(5);
}

/* "gpu.N.name", or "gpu.N.mig.M.name" */
static void name_key(device *d, const char *name, char *key, size_t size) {
    char *end = stpcpy(key, "gpu.");
    if (d->gpu >= 10) *end++ = '0' + d->gpu / 10;
    *end++ = '0' + d->gpu % 10;
    if (d->slice >= 0) end = stpcpy(end, ".mig."), *end++ = '0' + d->slice;
    *end++ = '.';
    size_t length = strnlen(name, size - (end - key) - 1);
    memcpy(end, name, length);
    end[length] = 0;
}

/* What every call does first: it may hang, and the device may be gone. */
static int enter(device *d) {
    char key[64];
    if (!initialised) return UNINITIALIZED;
    if (!d) return INVALID_ARGUMENT;
    if (generation == scenario->generation && !trouble) return OK;
    hold("system.hang");
    snprintf(key, sizeof key, "gpu.%d.hang", d->gpu);
    hold(key);
    snprintf(key, sizeof key, "gpu.%d.lost", d->gpu);
    return is_set(key) ? GPU_IS_LOST : OK;
}

static int number(device *d, const char *name, double *out) {
    char key[96];
    int result = enter(d);
    if (result != OK) return result;
    name_key(d, name, key, sizeof key);
    return number_of(key, out);
}

static int text(device *d, const char *name, char *out, u32 size) {
    char key[96];
    int result = enter(d);
    if (result != OK) return result;
    name_key(d, name, key, sizeof key);
    return text_of(key, out, size);
}

static int as_u32(device *d, const char *name, u32 *out) {
    double value;
    int result = number(d, name, &value);
    if (result == OK) *out = (u32)value;
    return result;
}

static int as_u64(device *d, const char *name, u64 *out) {
    double value;
    int result = number(d, name, &value);
    if (result == OK) *out = (u64)value;
    return result;
}

static int two_u32(device *d, const char *first, const char *second, u32 *a, u32 *b) {
    int result = as_u32(d, first, a);
    return result == OK ? as_u32(d, second, b) : result;
}

/* -- system */

int nvmlInitWithFlags(u32 flags) {
    int result = scenario ? OK : load();
    (void)flags;
    if (result != OK) return result;
    hold("system.hang_init");
    double code;
    if (number_of("system.init_error", &code) == OK && code) return (int)code;
    pthread_mutex_lock(&lock);
    if (!initialised++) {
        board_file = open(getenv("NVML_SCENARIO"), O_RDONLY | O_CLOEXEC);
        flock(board_file, LOCK_SH);
    }
    pthread_mutex_unlock(&lock);
    return OK;
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) {
    pthread_mutex_lock(&lock);
    int result = initialised > 0 ? OK : UNINITIALIZED;
    if (result == OK && !--initialised) close(board_file);
    pthread_mutex_unlock(&lock);
    return result;
}
const char *nvmlErrorString(int code) { return code == 999 ? "Unknown Error" : "scenario error"; }

int nvmlSystemGetDriverVersion(char *out, u32 size) { return text_of("system.driver", out, size); }
int nvmlSystemGetNVMLVersion(char *out, u32 size) { return text_of("system.nvml", out, size); }
int nvmlSystemGetCudaDriverVersion_v2(int *out) {
    double value;
    int result = number_of("system.cuda", &value);
    if (result == OK) *out = (int)value;
    return result;
}
int nvmlSystemGetCudaDriverVersion(int *out) { return nvmlSystemGetCudaDriverVersion_v2(out); }

int nvmlDeviceGetCount_v2(u32 *out) {
    double value;
    if (!initialised) return UNINITIALIZED;
    hold("system.hang");
    int result = number_of("system.count", &value);
    if (result == OK) *out = (u32)value;
    return result;
}

static device *handle(u32 gpu, int slice) {
    device *d = &devices[gpu][slice + 1];
    d->gpu = gpu;
    d->slice = slice;
    return d;
}

int nvmlDeviceGetHandleByIndex_v2(u32 index, device **out) {
    u32 count;
    int result = nvmlDeviceGetCount_v2(&count);
    if (result != OK) return result;
    if (index >= count || index >= GPUS) return INVALID_ARGUMENT;
    *out = handle(index, -1);
    return OK;
}

static int find(const char *name, const char *wanted, device **out) {
    char found[96];
    u32 count;
    int result = nvmlDeviceGetCount_v2(&count);
    if (result != OK) return result;
    for (u32 gpu = 0; gpu < count && gpu < GPUS; gpu++)
        for (int slice = -1; slice < SLICES; slice++) {
            device *d = handle(gpu, slice);
            if (text(d, name, found, sizeof found) == OK && !strcmp(found, wanted)) return *out = d, OK;
        }
    return NOT_FOUND;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, device **out) { return find("uuid", uuid, out); }
int nvmlDeviceGetHandleByPciBusId_v2(const char *bus, device **out) { return find("bus_id", bus, out); }

/* -- one value each */

#define U32(function, name) int function(device *d, u32 *out) { return as_u32(d, name, out); }
#define U64(function, name) int function(device *d, u64 *out) { return as_u64(d, name, out); }
#define TEXT(function, name) int function(device *d, char *out, u32 size) { return text(d, name, out, size); }
#define PAIR(function, a, b) int function(device *d, u32 *x, u32 *y) { return two_u32(d, a, b, x, y); }

TEXT(nvmlDeviceGetName, "name")
TEXT(nvmlDeviceGetUUID, "uuid")
TEXT(nvmlDeviceGetSerial, "serial")
TEXT(nvmlDeviceGetVbiosVersion, "vbios")
TEXT(nvmlDeviceGetBoardPartNumber, "board")
U32(nvmlDeviceGetMinorNumber, "minor")
U32(nvmlDeviceGetArchitecture, "architecture")
U32(nvmlDeviceGetPowerUsage, "power")
U32(nvmlDeviceGetEnforcedPowerLimit, "power_limit")
U32(nvmlDeviceGetPowerManagementLimit, "power_limit")
PAIR(nvmlDeviceGetPowerManagementLimitConstraints, "power_min", "power_max")
U64(nvmlDeviceGetTotalEnergyConsumption, "energy")
U64(nvmlDeviceGetCurrentClocksEventReasons, "throttle")
U64(nvmlDeviceGetCurrentClocksThrottleReasons, "throttle")
U32(nvmlDeviceGetPerformanceState, "pstate")
U32(nvmlDeviceGetNumFans, "fans")
U32(nvmlDeviceGetFanSpeed, "fan.0")
U32(nvmlDeviceGetCurrPcieLinkGeneration, "pcie_gen")
U32(nvmlDeviceGetMaxPcieLinkGeneration, "pcie_gen_max")
U32(nvmlDeviceGetCurrPcieLinkWidth, "pcie_width")
U32(nvmlDeviceGetMaxPcieLinkWidth, "pcie_width_max")
U32(nvmlDeviceGetPcieReplayCounter, "pcie_replays")
PAIR(nvmlDeviceGetEccMode, "ecc_mode", "ecc_mode")
U32(nvmlDeviceGetPersistenceMode, "persistence")
U32(nvmlDeviceGetRetiredPagesPendingStatus, "pages_pending")
U32(nvmlDeviceGetDisplayActive, "display")
U32(nvmlDeviceGetDisplayMode, "display")
U32(nvmlDeviceGetComputeMode, "compute_mode")
PAIR(nvmlDeviceGetMigMode, "mig_mode", "mig_mode")
PAIR(nvmlDeviceGetCudaComputeCapability, "capability_major", "capability_minor")
PAIR(nvmlDeviceGetEncoderUtilization, "encoder", "sampling")
PAIR(nvmlDeviceGetDecoderUtilization, "decoder", "sampling")

int nvmlDeviceGetIndex(device *d, u32 *out) { int r = enter(d); return r ? r : (*out = d->gpu, OK); }
int nvmlDeviceGetFanSpeed_v2(device *d, u32 fan, u32 *out) {
    char name[32];
    snprintf(name, sizeof name, "fan.%u", fan);
    return as_u32(d, name, out);
}
int nvmlDeviceGetTemperature(device *d, u32 sensor, u32 *out) { return sensor ? INVALID_ARGUMENT : as_u32(d, "temp", out); }
typedef struct { u32 version, sensor; int value; } temperature;
int nvmlDeviceGetTemperatureV(device *d, temperature *out) { return as_u32(d, "temp", (u32 *)&out->value); }
typedef struct { u32 version; int value; } margin;
int nvmlDeviceGetMarginTemperature(device *d, margin *out) {
    double value;
    int result = number(d, "temp_margin", &value);
    if (result == OK) out->value = (int)value;
    return result;
}
static const char *const CLOCKS[] = {"clock_graphics", "clock_sm", "clock_mem", "clock_video"};
int nvmlDeviceGetClockInfo(device *d, u32 kind, u32 *out) { return kind > 3 ? INVALID_ARGUMENT : as_u32(d, CLOCKS[kind], out); }
int nvmlDeviceGetMaxClockInfo(device *d, u32 kind, u32 *out) {
    char name[32];
    if (kind > 3) return INVALID_ARGUMENT;
    snprintf(name, sizeof name, "%s_max", CLOCKS[kind]);
    return as_u32(d, name, out);
}
int nvmlDeviceGetApplicationsClock(device *d, u32 kind, u32 *out) {
    char name[32];
    if (kind > 3) return INVALID_ARGUMENT;
    snprintf(name, sizeof name, "%s_app", CLOCKS[kind]);
    return as_u32(d, name, out);
}
int nvmlDeviceGetPcieThroughput(device *d, u32 counter, u32 *out) {
    double value;
    if (number_of("system.pcie_window_ms", &value) == OK) rest((int)value); /* a driver measures for 20 ms */
    return as_u32(d, counter ? "pcie_rx" : "pcie_tx", out); /* KB/s; 0 is TX */
}
int nvmlDeviceGetTotalEccErrors(device *d, u32 uncorrected, u32 aggregate, u64 *out) {
    char name[48];
    snprintf(name, sizeof name, "ecc_%s%s", uncorrected ? "uncorrected" : "corrected", aggregate ? "_total" : "");
    return as_u64(d, name, out);
}
int nvmlDeviceGetRemappedRows(device *d, u32 *corrected, u32 *uncorrected, u32 *pending, u32 *failed) {
    int result = two_u32(d, "rows_corrected", "rows_uncorrected", corrected, uncorrected);
    return result == OK ? two_u32(d, "rows_pending", "rows_failed", pending, failed) : result;
}
int nvmlDeviceGetRetiredPages_v2(device *d, u32 cause, u32 *count, u64 *pages, u64 *times) {
    u32 have, room = *count;
    char name[32];
    snprintf(name, sizeof name, "pages.%u", cause);
    int result = as_u32(d, name, &have);
    if (result != OK) return result;
    *count = have;
    if (have > room) return INSUFFICIENT_SIZE;
    for (u32 i = 0; pages && i < have; i++) pages[i] = times[i] = i;
    return OK;
}
typedef struct { u32 gpu, memory; } utilization;
int nvmlDeviceGetUtilizationRates(device *d, utilization *out) { return two_u32(d, "util", "mem_util", &out->gpu, &out->memory); }

int nvmlDeviceGetMemoryErrorCounter(device *d, u32 uncorrected, u32 aggregate, u32 location, u64 *out) {
    char name[48];
    snprintf(name, sizeof name, "ecc_at.%u.%u.%u", uncorrected, aggregate, location);
    return as_u64(d, name, out);
}
typedef struct { u32 version; u64 parity, secded, corrected, parity_now, secded_now, corrected_now, parts[5]; u32 over; } sram;
int nvmlDeviceGetSramEccErrorStatus(device *d, sram *out) {
    int result = as_u64(d, "sram_parity", &out->parity);
    if (result == OK) result = as_u64(d, "sram_corrected", &out->corrected);
    if (result == OK) result = as_u32(d, "sram_over", &out->over);
    return result == OK ? as_u64(d, "sram_secded", &out->secded) : result;
}
typedef struct { u32 version, channel, tpc; } repair;
int nvmlDeviceGetRepairStatus(device *d, repair *out) { return two_u32(d, "repair_channel", "repair_tpc", &out->channel, &out->tpc); }

/* -- fabric: "fabric" is the newest version of the structure that the driver knows; 1 has a call of its own */

typedef struct { unsigned char cluster[16]; int status; u32 clique, state; } fabric;
typedef struct { u32 version; unsigned char cluster[16]; int status; u32 clique, state, health; unsigned char summary; } fabric_v;
static int fill_fabric(device *d, unsigned char *cluster, u32 *clique, u32 *state, int *status) {
    char hex[40];
    u32 failed;
    *status = as_u32(d, "fabric_status", &failed) == OK ? (int)failed : OK;
    int result = text(d, "fabric_cluster", hex, sizeof hex);
    for (int i = 0; result == OK && i < 16; i++) sscanf(hex + 2 * i, "%2hhx", cluster + i);
    return result == OK ? two_u32(d, "fabric_clique", "fabric_state", clique, state) : result;
}
int nvmlDeviceGetGpuFabricInfo(device *d, fabric *out) { return fill_fabric(d, out->cluster, &out->clique, &out->state, &out->status); }
int nvmlDeviceGetGpuFabricInfoV(device *d, fabric_v *out) {
    u32 known;
    int result = as_u32(d, "fabric", &known);
    if (result != OK) return result;
    if (known < 2) return FUNCTION_NOT_FOUND;
    if (out->version >> 24 > known) return VERSION_MISMATCH;
    result = fill_fabric(d, out->cluster, &out->clique, &out->state, &out->status);
    return result == OK ? as_u32(d, "fabric_health", &out->health) : result;
}

/* -- GPM: "gpm" says whether it is supported, "gpm.ID" is what a metric is between any two samples */

typedef struct { u32 version, supported; } gpm_support;
int nvmlGpmQueryDeviceSupport(device *d, gpm_support *out) { return as_u32(d, "gpm", &out->supported); }
typedef struct { device *source; double taken; } gpm_sample;
int nvmlGpmSampleAlloc(gpm_sample **out) { return *out = calloc(1, sizeof **out), OK; }
int nvmlGpmSampleFree(gpm_sample *sample) { return free(sample), OK; }
int nvmlGpmSampleGet(device *d, gpm_sample *out) {
    int result = enter(d);
    if (result == OK) *out = (gpm_sample){d, now()};
    return result;
}
int nvmlGpmMigSampleGet(device *d, u32 instance, gpm_sample *out) {
    int result = enter(d);
    if (result == OK) *out = (gpm_sample){handle(d->gpu, (int)instance - 1), now()};
    return result;
}
typedef struct { u32 id; int result; double value; const char *names[3]; } gpm_metric;
typedef struct { u32 version, count; gpm_sample *older, *newer; gpm_metric metrics[]; } gpm_metrics;
int nvmlGpmMetricsGet(gpm_metrics *out) {
    if (out->version != 1 || out->older->source != out->newer->source) return INVALID_ARGUMENT;
    if (out->newer->taken - out->older->taken < 0.1) return INVALID_ARGUMENT;
    for (u32 i = 0; i < out->count; i++) {
        char name[32];
        snprintf(name, sizeof name, "gpm.%u", out->metrics[i].id);
        out->metrics[i].result = number(out->newer->source, name, &out->metrics[i].value);
    }
    return OK;
}

/* -- memory, PCI */

typedef struct { u64 total, free, used; } memory;
typedef struct { u32 version; u64 total, reserved, free, used; } memory_v2;
int nvmlDeviceGetMemoryInfo_v2(device *d, memory_v2 *out) {
    int result = as_u64(d, "mem_total", &out->total);
    if (result == OK) result = as_u64(d, "mem_used", &out->used);
    if (result == OK && as_u64(d, "mem_reserved", &out->reserved) != OK) out->reserved = 0;
    out->free = out->total - out->used - out->reserved;
    return result;
}
int nvmlDeviceGetMemoryInfo(device *d, memory *out) {
    memory_v2 found;
    int result = nvmlDeviceGetMemoryInfo_v2(d, &found);
    if (result == OK) out->total = found.total, out->free = found.free, out->used = found.used + found.reserved;
    return result;
}
int nvmlDeviceGetBAR1MemoryInfo(device *d, memory *out) {
    int result = as_u64(d, "bar1_total", &out->total);
    out->used = 0, out->free = out->total;
    return result;
}
typedef struct { char legacy[16]; u32 domain, bus, device_number, id, subsystem; char address[32]; } pci;
static int parse_pci(const char *address, pci *out) {
    memset(out, 0, sizeof *out);
    snprintf(out->address, sizeof out->address, "%s", address);
    snprintf(out->legacy, sizeof out->legacy, "%.15s", strlen(address) > 12 ? address + 4 : address);
    sscanf(address, "%x:%x:%x", &out->domain, &out->bus, &out->device_number);
    out->id = 0x233010de;
    return OK;
}
int nvmlDeviceGetPciInfo_v3(device *d, pci *out) {
    char address[32];
    int result = text(d, "bus_id", address, sizeof address);
    return result == OK ? parse_pci(address, out) : result;
}
int nvmlDeviceGetNvLinkRemotePciInfo_v2(device *d, u32 link, pci *out) {
    char name[32], address[32];
    snprintf(name, sizeof name, "nvlink.%u.peer", link);
    int result = text(d, name, address, sizeof address);
    return result == OK ? parse_pci(address, out) : result;
}

/* -- field values: keys "field.ID" and "field.ID.SCOPE" */

typedef struct { u32 id, scope; int64_t timestamp, latency; u32 kind; int result; union { double d; u64 u; } value; } field;
int nvmlDeviceGetFieldValues(device *d, int count, field *fields) {
    int result = enter(d);
    for (int i = 0; result == OK && i < count; i++) {
        char name[48];
        double value = 0;
        snprintf(name, sizeof name, "field.%u.%u", fields[i].id, fields[i].scope);
        fields[i].result = number(d, name, &value);
        if (fields[i].result == NOT_SUPPORTED && (fields[i].scope == 0 || fields[i].scope == ~0u)) {
            snprintf(name, sizeof name, "field.%u", fields[i].id);
            fields[i].result = number(d, name, &value);
        }
        fields[i].kind = 3; /* unsigned long long */
        fields[i].value.u = (u64)value;
    }
    return result;
}

/* -- NVLink */

int nvmlDeviceGetNvLinkState(device *d, u32 link, u32 *out) {
    char name[32];
    snprintf(name, sizeof name, "nvlink.%u.up", link);
    return as_u32(d, name, out);
}
int nvmlDeviceGetNvLinkRemoteDeviceType(device *d, u32 link, u32 *out) {
    char name[32];
    snprintf(name, sizeof name, "nvlink.%u.peer_kind", link);
    return as_u32(d, name, out);
}
int nvmlDeviceGetNvLinkVersion(device *d, u32 link, u32 *out) {
    char name[32];
    snprintf(name, sizeof name, "nvlink.%u.version", link);
    return as_u32(d, name, out);
}
static const char *const LINK_ERRORS[] = {"replay", "recovery", "crc", "crc_data"};
int nvmlDeviceGetNvLinkErrorCounter(device *d, u32 link, u32 counter, u64 *out) {
    char name[48];
    if (counter > 3) return INVALID_ARGUMENT;
    snprintf(name, sizeof name, "nvlink.%u.%s", link, LINK_ERRORS[counter]);
    return as_u64(d, name, out);
}

/* -- processes: "processes.KIND" = "pid:bytes pid:bytes ..."; bytes -1 is "not available" */

typedef struct { u32 pid; u64 memory; u32 gpu_instance, compute_instance; } process;
static int processes(device *d, const char *name, u32 *count, process *out) {
    char list[4096] = "", *save;
    u32 room = *count, found = 0;
    int result = text(d, name, list, sizeof list);
    if (result == NOT_SUPPORTED) result = OK, list[0] = 0;
    if (result != OK) return result;
    for (char *word = strtok_r(list, " ", &save); word; word = strtok_r(NULL, " ", &save), found++)
        if (found < room && out) {
            char *colon = strchr(word, ':');
            out[found] = (process){atoi(word), colon ? (u64)atoll(colon + 1) : 0, ~0u, ~0u};
        }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : OK;
}
#define PROCESSES(function, name) int function(device *d, u32 *count, process *out) { return processes(d, name, count, out); }
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "processes.compute")
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "processes.graphics")
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "processes.mps")

/* -- MIG */

int nvmlDeviceIsMigDeviceHandle(device *d, u32 *out) { return *out = d->slice >= 0, OK; }
int nvmlDeviceGetMaxMigDeviceCount(device *d, u32 *out) { return as_u32(d, "mig_max", out); }
int nvmlDeviceGetMigDeviceHandleByIndex(device *d, u32 index, device **out) {
    char uuid[96];
    int result = enter(d);
    if (result != OK) return result;
    if (index >= SLICES) return INVALID_ARGUMENT;
    device *slice = handle(d->gpu, index);
    return text(slice, "uuid", uuid, sizeof uuid) == OK ? (*out = slice, OK) : NOT_FOUND;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device *d, device **out) { return *out = handle(d->gpu, -1), OK; }
int nvmlDeviceGetGpuInstanceId(device *d, u32 *out) { return d->slice < 0 ? NOT_SUPPORTED : (*out = d->slice + 1, OK); }
int nvmlDeviceGetComputeInstanceId(device *d, u32 *out) { return d->slice < 0 ? NOT_SUPPORTED : (*out = 0, OK); }

/* -- events: "events" counts them; "event.kind", "event.data" and "event.instance" are those of the newest */

typedef struct { device *source; u64 kind, data; u32 gpu_instance, compute_instance; } event;
int nvmlEventSetCreate(event_set **out) { return *out = calloc(1, sizeof **out), OK; }
int nvmlEventSetFree(event_set *set) { return free(set), OK; }
int nvmlDeviceGetSupportedEventTypes(device *d, u64 *out) { return as_u64(d, "event_kinds", out); }
int nvmlDeviceRegisterEvents(device *d, u64 kinds, event_set *set) {
    double events = 0;
    u64 known;
    int result = as_u64(d, "event_kinds", &known);
    if (result != OK) return result;
    if (kinds & ~known) return NOT_SUPPORTED;
    if (number(d, "events", &events) != OK) events = 0;
    set->seen[d->gpu] = (uint64_t)events;
    set->kinds[d->gpu] = kinds;
    return OK;
}
static int next_event(event_set *set, event *out) {
    for (int gpu = 0; gpu < GPUS; gpu++) {
        device *d = handle(gpu, -1);
        double events = 0;
        if (number(d, "events", &events) != OK || (uint64_t)events <= set->seen[gpu]) continue;
        set->seen[gpu]++;
        *out = (event){d, 0, 0, ~0u, ~0u};
        as_u64(d, "event.kind", &out->kind);
        as_u64(d, "event.data", &out->data);
        if (as_u32(d, "event.instance", &out->gpu_instance) == OK) out->compute_instance = 0;
        if (out->kind & set->kinds[gpu]) return OK;
    }
    return TIMED_OUT;
}
int nvmlEventSetWait_v2(event_set *set, event *out, u32 milliseconds) {
    double until = now() + milliseconds / 1000.0;
    if (!initialised) return UNINITIALIZED;
    for (;;) { /* Scenario.event touches the file: a wait costs nothing, as in a driver */
        char changes[4096];
        struct pollfd touched = {watch, POLLIN, 0};
        double left = until - now();
        if (next_event(set, out) == OK) return OK;
        if (left <= 0) return TIMED_OUT;
        if (poll(&touched, 1, (int)(left * 1000) + 1) > 0 && read(watch, changes, sizeof changes) < 0) return TIMED_OUT;
    }
}
