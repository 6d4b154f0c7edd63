/* What the kernel can do: sends a file as TFTP blocks with UDP_SEGMENT, a window at a time, and waits for nobody.
 *
 *   bare_send FILE BLKSIZE WINDOWSIZE SENDER_CPU RECEIVER_CPU
 *
 * A child on the other CPU receives, so that the packets are delivered as they are in a transfer. What it cannot take
 * is dropped: "mb_per_s" is what was sent, "received_mb_per_s" what arrived. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { UDP = 17, SEGMENT = 103, AT_ONE_CALL = 65507, SEGMENTS = 64, BATCH = 64 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static void receive(int fd, int result, size_t blksize) {
    size_t slot = blksize + 64;
    uint8_t *buffer = malloc(slot * BATCH);
    struct mmsghdr packets[BATCH];
    struct iovec parts[BATCH];
    struct timeval quiet = {.tv_usec = 300000};
    uint64_t bytes = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet);
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){buffer + (size_t)i * slot, slot};
        packets[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (;;) {
        int count = recvmmsg(fd, packets, BATCH, MSG_WAITFORONE, NULL);
        if (count <= 0 && bytes) break;
        for (int i = 0; i < count; i++) bytes += packets[i].msg_len - 4;
    }
    if (write(result, &bytes, sizeof bytes) < 0) _exit(1);
    _exit(0);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int file = open(argv[1], O_RDONLY), result[2], size = 4 << 20;
    struct stat status;
    if (file < 0 || fstat(file, &status) || !status.st_size || pipe(result)) return 2;
    const uint8_t *body = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    size_t blksize = (size_t)atoi(argv[2]), blocks = (size_t)status.st_size / blksize;
    int window = atoi(argv[3]), step = (int)(AT_ONE_CALL / (blksize + 4));
    if (step > SEGMENTS) step = SEGMENTS;

    int to = socket(AF_INET, SOCK_DGRAM, 0), from = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(to, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    if (bind(to, (struct sockaddr *)&address, length) || getsockname(to, (struct sockaddr *)&address, &length)) return 2;
    pid_t child = fork();
    if (child == 0) {
        pin(atoi(argv[5]));
        alarm(60);
        receive(to, result[1], blksize);
    }
    close(to);
    pin(atoi(argv[4]));

    static uint8_t heads[SEGMENTS][4];
    static struct iovec parts[SEGMENTS][2];
    union { struct cmsghdr align; char space[CMSG_SPACE(sizeof(uint16_t))]; } control = {0};
    double start = now();
    for (size_t first = 0; first < blocks; first += (size_t)window)
        for (int k = 0; k < window && first + (size_t)k < blocks; k += step) {
            int count = window - k < step ? window - k : step;
            if ((size_t)count > blocks - first - (size_t)k) count = (int)(blocks - first - (size_t)k);
            for (int i = 0; i < count; i++) {
                size_t b = first + (size_t)k + (size_t)i;
                memcpy(heads[i], (uint8_t[]){0, 3, (uint8_t)((b + 1) >> 8), (uint8_t)(b + 1)}, 4);
                parts[i][0] = (struct iovec){heads[i], 4};
                parts[i][1] = (struct iovec){(void *)(body + b * blksize), blksize};
            }
            struct msghdr m = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = parts[0],
                               .msg_iovlen = 2 * (size_t)count, .msg_control = &control,
                               .msg_controllen = sizeof control};
            struct cmsghdr *h = CMSG_FIRSTHDR(&m);
            *h = (struct cmsghdr){CMSG_LEN(sizeof(uint16_t)), UDP, SEGMENT};
            *(uint16_t *)CMSG_DATA(h) = (uint16_t)(blksize + 4);
            if (sendmsg(from, &m, 0) < 0) {
                perror("bare_send: sendmsg");
                kill(child, SIGTERM);
                return 1;
            }
        }
    double seconds = now() - start;
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    double cpu = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    uint64_t received = 0;
    if (read(result[0], &received, sizeof received) < 0) return 1;
    waitpid(child, NULL, 0);
    double mb = (double)(blocks * blksize) / 1e6;
    printf("{\"seconds\": %.6f, \"mb\": %.6f, \"mb_per_s\": %.3f, \"received_mb_per_s\": %.3f, \"cpu_s_per_gb\": %.4f}\n",
           seconds, mb, mb / seconds, (double)received / 1e6 / seconds, cpu / (mb / 1e3));
    return 0;
}
