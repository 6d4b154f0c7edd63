/* The load generator: many TFTP clients in one process, one thread and one epoll loop. It prints one JSON object.
 *
 * It checks every byte it receives against a local file, and it can lose packets. Loss is a coin tossed for each packet
 * by a seeded generator, in both directions: what arrives is thrown away before the client sees it, what leaves is
 * counted as sent but is not. Server and client see what they would see behind a relay that loses the same packets,
 * without the relay's own delay and CPU. "seen" and "dropped" in the output show the loss that there was.
 *
 * A client acknowledges as RFC 7440 asks: a whole window, the last block, and once for each burst with a gap in it.
 * A repeated block is answered only when it is the newest that the client has, at the end of what has arrived: the
 * acknowledgement was lost, or the server asks where the client is.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { UDP = 17, SEGMENT = 103, GRO = 104, BATCH = 64, LARGEST = 65536, MOST_WINDOW = 1024 };
enum { RRQ = 1, WRQ, DATA, ACK, ERROR, OACK };
enum { AT_ONE_CALL = 65000, SEGMENTS = 64, SWEEP_US = 10000, START_STEP = 32 };

struct client {
    int fd;
    bool live, known, gap, wrong;
    int blksize, windowsize, in_window, tries;
    long number;
    uint64_t have;    /* reading: newest block in order; uploading: newest block acknowledged */
    uint64_t furthest; /* reading: last block beyond a gap; uploading: newest block sent */
    uint64_t bytes, started, first, heard, sent;
};

static struct {
    const char *address, *name;
    int port, clients, blksize, windowsize, timeout_ms, give_up_s, deadline_s;
    long transfers;
    double loss;
    bool upload, offload;
} ask = {"127.0.0.1", "file", 69, 1, 0, 0, 1000, 20, 60, 1, 0, false, false};

static struct {
    long started, done, failures, mismatches, retransmits, repeats;
    uint64_t bytes, partial, seen_in, seen_out, dropped_in, dropped_out;
    int blksize, windowsize;
    char error[160];
} got;

static struct sockaddr_in server;
static struct client *all;
static const uint8_t *body;
static size_t body_size;
static double *took, *waited;
static uint8_t *slots;
static size_t slot_size;
static int epoll_fd;
static uint64_t random_state;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static bool lost(void) { /* splitmix64 */
    if (ask.loss <= 0) return false;
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53 * 100 < ask.loss;
}

static void transmit(struct client *c, const void *packet, size_t size) {
    got.seen_out++;
    if (lost()) {
        got.dropped_out++;
        return;
    }
    /* A failure is a lost packet (or a server that is gone, which the timer will tell). */
    ssize_t unused = c->known ? send(c->fd, packet, size, 0)
                              : sendto(c->fd, packet, size, 0, (struct sockaddr *)&server, sizeof server);
    (void)unused;
}

static void request(struct client *c) {
    char p[700];
    size_t n = 2;
    p[0] = 0;
    p[1] = ask.upload ? WRQ : RRQ;
    if (ask.upload) n += sprintf(p + n, "%.400s.%ld", ask.name, c->number) + 1;
    else n += sprintf(p + n, "%.400s", ask.name) + 1;
    n += sprintf(p + n, "octet") + 1;
    if (ask.blksize) n += sprintf(p + n, "blksize%c%d", 0, ask.blksize) + 1;
    if (ask.windowsize > 1) n += sprintf(p + n, "windowsize%c%d", 0, ask.windowsize) + 1;
    if (ask.upload) n += sprintf(p + n, "tsize%c%zu", 0, body_size) + 1;
    transmit(c, p, n);
}

static void acknowledge(struct client *c) {
    uint8_t p[4] = {0, ACK, (uint8_t)(c->have >> 8), (uint8_t)c->have};
    c->in_window = 0;
    transmit(c, p, sizeof p);
}

static uint64_t last_block(const struct client *c) { return body_size / (size_t)c->blksize + 1; }

/* One window: in one sendmmsg, or with offload cut by the kernel out of one buffer of up to 64 KB at a time. */
static void send_window(struct client *c) {
    static uint8_t heads[MOST_WINDOW][4];
    static struct iovec parts[MOST_WINDOW][2];
    static struct mmsghdr packets[MOST_WINDOW];
    int n = 0;
    for (uint64_t b = c->have + 1; b <= last_block(c) && n < c->windowsize; b++) {
        size_t offset = (size_t)(b - 1) * (size_t)c->blksize, left = body_size - offset;
        if (b <= c->furthest) got.retransmits++;
        else c->furthest = b;
        got.seen_out++;
        if (lost()) {
            got.dropped_out++;
            continue;
        }
        memcpy(heads[n], (uint8_t[]){0, DATA, (uint8_t)(b >> 8), (uint8_t)b}, 4);
        parts[n][0] = (struct iovec){heads[n], 4};
        parts[n][1] = (struct iovec){(void *)(body + offset), left < (size_t)c->blksize ? left : (size_t)c->blksize};
        packets[n].msg_hdr = (struct msghdr){.msg_iov = parts[n], .msg_iovlen = 2};
        n++;
    }
    c->sent = now();
    int step = AT_ONE_CALL / (c->blksize + 4);
    if (step > SEGMENTS) step = SEGMENTS;
    if (!ask.offload || step < 2 || ask.loss > 0) {
        for (int k = 0, r; k < n; k += r)
            if ((r = sendmmsg(c->fd, packets + k, (unsigned)(n - k), 0)) <= 0) return;
        return;
    }
    for (int k = 0; k < n; k += step) {
        int count = n - k < step ? n - k : step;
        union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(uint16_t))]; } control = {0};
        struct msghdr m = {.msg_iov = parts[k], .msg_iovlen = 2 * (size_t)count,
                           .msg_control = &control, .msg_controllen = sizeof control};
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        *h = (struct cmsghdr){CMSG_LEN(sizeof(uint16_t)), UDP, SEGMENT};
        *(uint16_t *)CMSG_DATA(h) = (uint16_t)(c->blksize + 4);
        if (sendmsg(c->fd, &m, 0) < 0) return;
    }
}

/* Each client has a loopback address of its own: servers have limits for each address, and real clients have theirs. */
static void take_address(const struct client *c) {
    if (ntohl(server.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET) return;
    uint32_t host = INADDR_LOOPBACK + 0x10000 + (uint32_t)(c - all);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(host)};
    if (bind(c->fd, (struct sockaddr *)&address, sizeof address)) {
        perror("load: bind");
        exit(2);
    }
}

static void begin(struct client *c) {
    *c = (struct client){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), .live = true, .blksize = 512,
                         .windowsize = 1, .number = got.started++};
    if (c->fd < 0) {
        perror("load: socket");
        exit(2);
    }
    take_address(c);
    int size = 4 << 20, one = 1;
    if (setsockopt(c->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size))
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (ask.upload && setsockopt(c->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size))
        setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (ask.offload) setsockopt(c->fd, UDP, GRO, &one, sizeof one);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
    c->started = c->heard = now();
    request(c);
}

static void end(struct client *c, bool well) {
    close(c->fd);
    c->live = false;
    if (c->wrong) got.mismatches++;
    if (well && !c->wrong) {
        took[got.done] = (double)(now() - c->started) / 1e6;
        waited[got.done++] = (double)(c->first - c->started) / 1e6;
        got.bytes += c->bytes;
    } else {
        if (!c->wrong) got.failures++;
        got.partial += c->bytes;
    }
    if (got.started < ask.transfers) begin(c);
}

static void fail(struct client *c, const char *why, int size) {
    int n = 0;
    for (int i = 0; i < size && why[i] && n < (int)sizeof got.error - 1; i++)
        got.error[n++] = why[i] < ' ' || why[i] == '"' || why[i] == '\\' || why[i] > '~' ? '?' : why[i];
    got.error[n] = 0;
    end(c, false);
}

static void agree(struct client *c, const char *p, size_t size) {
    for (const char *end_of = p + size; p < end_of;) {
        const char *value = memchr(p, 0, (size_t)(end_of - p));
        const char *after = value ? memchr(value + 1, 0, (size_t)(end_of - value - 1)) : NULL;
        if (!after) return;
        int number = atoi(value + 1);
        if (!strcasecmp(p, "blksize") && number >= 8 && number <= LARGEST) c->blksize = number;
        if (!strcasecmp(p, "windowsize") && number >= 1 && number <= MOST_WINDOW) c->windowsize = number;
        p = after + 1;
    }
}

static void acknowledged(struct client *c, uint16_t wire) {
    uint64_t block = c->have + (uint16_t)(wire - (uint16_t)c->have);
    bool started = c->furthest > 0;
    if (block > c->furthest) return;
    /* The same again: a gap at the start of the window, or a duplicate, which must not cause DATA. */
    if (started && block == c->have && (c->windowsize == 1 || now() - c->sent < SWEEP_US)) return;
    c->have = block;
    c->bytes = block * (uint64_t)c->blksize < body_size ? block * (uint64_t)c->blksize : body_size;
    if (started && block == last_block(c)) end(c, true);
    else send_window(c);
}

/* Whether the packet is a repetition of the newest block. */
static bool block_arrived(struct client *c, uint16_t wire, const uint8_t *payload, size_t size) {
    int16_t ahead = (int16_t)(wire - (uint16_t)(c->have + 1));
    if (ahead == 0) {
        if (c->bytes + size > body_size || memcmp(body + c->bytes, payload, size)) c->wrong = true;
        c->bytes += size;
        c->have++;
        c->gap = false;
        if (size < (size_t)c->blksize) {
            if (c->bytes != body_size) c->wrong = true;
            acknowledge(c);
            end(c, true);
        } else if (++c->in_window >= c->windowsize) acknowledge(c);
        return false;
    }
    if (ahead < 0) {
        got.retransmits++;
        return ahead == -1;
    }
    uint64_t block = c->have + 1 + (uint64_t)ahead;
    if (!c->gap || block <= c->furthest) acknowledge(c); /* not further than the last one: another burst */
    c->gap = true;
    c->furthest = block;
    return false;
}

static bool packet_arrived(struct client *c, const uint8_t *p, size_t size) {
    if (size < 4) return false;
    uint16_t wire = (uint16_t)(p[2] << 8 | p[3]);
    c->heard = now();
    c->tries = 0;
    if (!c->first) c->first = c->heard;
    switch (p[1]) {
    case OACK:
        if (c->have || c->furthest) return false;
        agree(c, (const char *)p + 2, size - 2);
        got.blksize = c->blksize;
        got.windowsize = c->windowsize;
        if (ask.upload) send_window(c);
        else acknowledge(c);
        return false;
    case DATA:
        return !ask.upload && block_arrived(c, wire, p + 4, size - 4);
    case ACK:
        if (ask.upload) acknowledged(c, wire);
        return false;
    case ERROR:
        fail(c, (const char *)p + 4, (int)size - 4);
    }
    return false;
}

static void readable(struct client *c) {
    static struct mmsghdr packets[BATCH];
    static struct iovec parts[BATCH];
    static union { struct cmsghdr align; char space[64]; } control[BATCH];
    struct sockaddr_in from;
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){slots + (size_t)i * slot_size, slot_size};
        packets[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        if (ask.offload) {
            packets[i].msg_hdr.msg_control = &control[i];
            packets[i].msg_hdr.msg_controllen = sizeof control[i];
        }
    }
    if (!c->known) {
        packets[0].msg_hdr.msg_name = &from;
        packets[0].msg_hdr.msg_namelen = sizeof from;
    }
    long number = c->number;
    bool repeated = false;
    int count = recvmmsg(c->fd, packets, c->known ? BATCH : 1, 0, NULL);
    for (int i = 0; i < count; i++) {
        size_t size = packets[i].msg_len, step = size;
        struct msghdr *m = &packets[i].msg_hdr;
        for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
            if (h->cmsg_level == UDP && h->cmsg_type == GRO) step = (size_t) * (int *)CMSG_DATA(h);
        for (size_t at = 0; at < size; at += step) {
            got.seen_in++;
            if (lost()) {
                got.dropped_in++;
                continue;
            }
            if (!c->known) {
                connect(c->fd, (struct sockaddr *)&from, sizeof from);
                c->known = true;
            }
            repeated = packet_arrived(c, (uint8_t *)parts[i].iov_base + at, size - at < step ? size - at : step);
            if (!c->live || c->number != number) return;
        }
    }
    if (repeated) acknowledge(c);
}

static void sweep(struct client *all, uint64_t t) {
    for (int i = 0; i < ask.clients; i++) {
        struct client *c = &all[i];
        if (!c->live || t < c->heard + (uint64_t)ask.timeout_ms * 1000) continue;
        if (++c->tries * (long)ask.timeout_ms > ask.give_up_s * 1000L) {
            fail(c, "no answer", 9);
            continue;
        }
        c->heard = t;
        got.repeats++;
        if (!c->known) request(c);
        else if (ask.upload) send_window(c);
        else acknowledge(c);
    }
}

static int ascending(const void *a, const void *b) {
    double d = *(const double *)a - *(const double *)b;
    return (d > 0) - (d < 0);
}

static double quantile(const double *sorted, double q) {
    return got.done ? sorted[(size_t)((double)(got.done - 1) * q + 0.5)] : 0;
}

static void report(double seconds, bool late) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    qsort(took, (size_t)got.done, sizeof *took, ascending);
    qsort(waited, (size_t)got.done, sizeof *waited, ascending);
    printf("{\"seconds\": %.6f, \"mb\": %.6f, \"partial_mb\": %.6f, \"mb_per_s\": %.3f, \"transfers\": %ld, "
           "\"transfers_per_s\": %.3f, ", seconds, (double)got.bytes / 1e6, (double)got.partial / 1e6,
           (double)(got.bytes + got.partial) / 1e6 / seconds, got.done, (double)got.done / seconds);
    printf("\"failures\": %ld, \"mismatches\": %ld, \"retransmits\": %ld, \"repeats\": %ld, \"late\": %s, ",
           got.failures, got.mismatches, got.retransmits, got.repeats, late ? "true" : "false");
    printf("\"p50_s\": %.6f, \"p99_s\": %.6f, \"max_s\": %.6f, \"first_p50_s\": %.6f, \"first_p99_s\": %.6f, "
           "\"first_max_s\": %.6f, ", quantile(took, .5), quantile(took, .99), quantile(took, 1),
           quantile(waited, .5), quantile(waited, .99), quantile(waited, 1));
    printf("\"blksize\": %d, \"windowsize\": %d, \"seen_in\": %lu, \"dropped_in\": %lu, \"seen_out\": %lu, "
           "\"dropped_out\": %lu, \"client_cpu_s\": %.6f, \"error\": \"%s\"}\n", got.blksize, got.windowsize,
           got.seen_in, got.dropped_in, got.seen_out, got.dropped_out, cpu, got.error);
}

static void arguments(int argc, char **argv) {
    static const struct option known[] = {
        {"address", 1, 0, 'a'}, {"port", 1, 0, 'p'}, {"name", 1, 0, 'n'}, {"file", 1, 0, 'f'},
        {"clients", 1, 0, 'c'}, {"transfers", 1, 0, 't'}, {"blksize", 1, 0, 'b'}, {"windowsize", 1, 0, 'w'},
        {"loss", 1, 0, 'l'}, {"seed", 1, 0, 's'}, {"timeout-ms", 1, 0, 'm'}, {"give-up", 1, 0, 'g'},
        {"deadline", 1, 0, 'd'}, {"upload", 0, 0, 'u'}, {"offload", 0, 0, 'o'}, {0, 0, 0, 0}};
    const char *path = NULL;
    for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (o) {
        case 'a': ask.address = optarg; break;
        case 'p': ask.port = atoi(optarg); break;
        case 'n': ask.name = optarg; break;
        case 'f': path = optarg; break;
        case 'c': ask.clients = atoi(optarg); break;
        case 't': ask.transfers = atol(optarg); break;
        case 'b': ask.blksize = atoi(optarg); break;
        case 'w': ask.windowsize = atoi(optarg); break;
        case 'l': ask.loss = atof(optarg); break;
        case 's': random_state = strtoull(optarg, NULL, 10); break;
        case 'm': ask.timeout_ms = atoi(optarg); break;
        case 'g': ask.give_up_s = atoi(optarg); break;
        case 'd': ask.deadline_s = atoi(optarg); break;
        case 'u': ask.upload = true; break;
        case 'o': ask.offload = true; break;
        default: exit(2);
        }
    if (strncmp(ask.address, "127.", 4)) {
        fputs("load: for the loopback interface only\n", stderr);
        exit(2);
    }
    struct stat status;
    int fd = path ? open(path, O_RDONLY) : -1;
    if (fd < 0 || fstat(fd, &status)) {
        perror("load: --file");
        exit(2);
    }
    body_size = (size_t)status.st_size;
    body = body_size ? mmap(NULL, body_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0) : (const uint8_t *)"";
    if (ask.clients < 1) ask.clients = 1;
    if (ask.transfers < ask.clients) ask.transfers = ask.clients;
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)ask.port)};
    inet_pton(AF_INET, ask.address, &server.sin_addr);
}

int main(int argc, char **argv) {
    arguments(argc, argv);
    struct rlimit files = {1 << 16, 1 << 16};
    setrlimit(RLIMIT_NOFILE, &files);
    got.blksize = 512;
    got.windowsize = 1;
    slot_size = ask.offload ? LARGEST : (size_t)(ask.blksize > 1024 ? ask.blksize : 1024) + 64;
    slots = malloc(slot_size * BATCH);
    took = calloc((size_t)ask.transfers, sizeof *took);
    waited = calloc((size_t)ask.transfers, sizeof *waited);
    all = calloc((size_t)ask.clients, sizeof *all);
    epoll_fd = epoll_create1(0);
    struct epoll_event events[256];
    uint64_t start = now(), swept = start, deadline = start + (uint64_t)ask.deadline_s * 1000000;
    bool late = false;
    for (int begun = 0; got.done + got.failures + got.mismatches < ask.transfers;) {
        /* All begin at once, but none waits for the loop to begin the others. */
        for (int step = 0; begun < ask.clients && step < START_STEP; step++) begin(&all[begun++]);
        int count = epoll_wait(epoll_fd, events, 256, begun < ask.clients ? 0 : SWEEP_US / 1000);
        for (int i = 0; i < count; i++) {
            struct client *c = events[i].data.ptr;
            if (c->live) readable(c);
        }
        uint64_t t = now();
        if (t > deadline) {
            late = true;
            break;
        }
        if (t > swept + SWEEP_US) sweep(all, swept = t);
    }
    for (int i = 0; i < ask.clients; i++)
        if (all[i].live) got.partial += all[i].bytes;
    if (late) got.failures = ask.transfers - got.done - got.mismatches;
    report((double)(now() - start) / 1e6, late);
    return late || got.failures || got.mismatches;
}
