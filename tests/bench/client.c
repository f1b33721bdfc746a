/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A debugger's way of waiting: packets to the gdbstub of a QEMU on this very
 * machine, one after the other, and the time that they take.  So that a figure
 * has no network in it that is emulated and the same for everybody.
 *
 *   client PATH
 *
 * Listens on the UNIX socket PATH, says "listening" and waits for one QEMU.  As
 * gdb does, it goes without acknowledgements if the stub can.  Then standard
 * input is packets, one a line, and an empty line.  They are sent, each after
 * the answer to the one before.  Standard output is the answers, one a line, a
 * line "=", a space and the nanoseconds of them all, and it goes on with the
 * next ones.
 *
 * What the packets mean, and whether an answer is right, is for who wrote them.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "measure.h"

#define PACKET_MAX      4096
/* For an answer, in ms: the guest is far from everything by then. */
#define TIMEOUT         120000

static int stub;
static bool acknowledges = true;

static void put(const char *data, size_t len)
{
    while (len) {
        ssize_t n = write(stub, data, len);

        if (n <= 0) {
            die("client: write to the stub");
        }
        data += n;
        len -= n;
    }
}

static void send_packet(const char *packet)
{
    static char frame[2 * PACKET_MAX];
    unsigned char sum = 0;
    const char *c;

    for (c = packet; *c; c++) {
        sum += *c;
    }
    put(frame, snprintf(frame, sizeof(frame), "$%s#%02x", packet, sum));
}

/*
 * First it waits and then it reads, as gdb does.  Who sleeps in a read of a UNIX
 * socket is woken also when the other end takes what was written before.
 */
static size_t read_some(char *data, size_t room)
{
    struct pollfd it = { .fd = stub, .events = POLLIN };
    ssize_t n;

    errno = ETIMEDOUT;
    if (poll(&it, 1, TIMEOUT) != 1) {
        die("client: no answer");
    }
    n = read(stub, data, room);
    if (n <= 0) {
        die("client: the stub has gone");
    }
    return n;
}

/* The answer, up to the next call. There is never more than one on its way. */
static const char *receive(void)
{
    static char data[2 * PACKET_MAX];
    char *start = NULL, *end = NULL;
    size_t len = 0;

    while (!end || len < (size_t)(end - data) + 3) {
        len += read_some(data + len, sizeof(data) - 1 - len);
        data[len] = 0;
        start = strchr(data, '$');
        end = start ? strchr(start, '#') : NULL;
    }
    *end = 0;
    if (acknowledges) {
        put("+", 1);
    }
    return start + 1;
}

static const char *ask(const char *packet)
{
    send_packet(packet);
    return receive();
}

static void accept_stub(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
    if (listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof(address)) ||
        listen(listener, 1)) {
        die(path);
    }
    puts("listening");
    fflush(stdout);
    stub = accept(listener, NULL, NULL);
    if (stub < 0) {
        die("client: accept");
    }
    if (strstr(ask("qSupported"), "QStartNoAckMode+")) {
        acknowledges = strcmp(ask("QStartNoAckMode"), "OK") != 0;
    }
}

int main(int argc, char **argv)
{
    static char line[PACKET_MAX];
    char **packets = NULL, **answers = NULL;
    size_t n = 0, room = 0, i;

    if (argc != 2) {
        fputs("usage: client PATH\n", stderr);
        return 2;
    }
    accept_stub(argv[1]);
    while (fgets(line, sizeof(line), stdin)) {
        uint64_t start;

        line[strcspn(line, "\n")] = 0;
        if (*line) {
            if (n == room) {
                room = room ? 2 * room : 1024;
                packets = realloc(packets, room * sizeof(*packets));
                answers = realloc(answers, room * sizeof(*answers));
            }
            packets[n++] = strdup(line);
            continue;
        }
        start = now_ns();
        for (i = 0; i < n; i++) {
            answers[i] = strdup(ask(packets[i]));
        }
        start = now_ns() - start;
        for (i = 0; i < n; i++) {
            puts(answers[i]);
            free(answers[i]);
            free(packets[i]);
        }
        n = 0;
        printf("= %llu\n", (unsigned long long)start);
        fflush(stdout);
    }
    return 0;
}
