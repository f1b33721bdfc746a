/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent inside the KVM host (L1) through which lab/kvmhost.py runs commands
 * there: each TCP connection is one command with its own stdin, stdout, stderr
 * and exit status, byte for byte, on pipes or on a terminal of its own.
 *
 * A connection, after a 32-byte token that proves who asks, is frames of a
 * type byte, a little-endian 32-bit length and that many bytes:
 *   to the agent    R  run: one byte ('-': on pipes, 'm': the same with stderr
 *                      joined to stdout, 't': on a terminal), then the
 *                      arguments, each ended by a NUL; first and once
 *                   I  bytes for stdin; empty: end of file
 *                   W  terminal size: rows, columns (two 16-bit words)
 *   from the agent  O  bytes from stdout (or the terminal)
 *                   E  bytes from stderr
 *                   X  exit status, one byte, as a shell counts it; last
 * When a connection goes before its command has ended, the command's process
 * group is killed.  What a command leaves in the background stays.
 *
 * It does not encrypt, log anybody in or look after what it started beyond
 * that: the machine is private to the one who booted it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGENT_PORT   7070
#define TOKEN_LEN    32
#define FRAME_MAX    (128 * 1024)
#define ARGS_MAX     1024
/* The port (vportNp1) whose opening tells the outside that we listen. */
#define READY_PORTS  "/dev/vport*p1"

typedef struct Session {
    int sock;
    pid_t pid;
    bool tty;
    int in;                     /* the command's stdin, -1 once closed */
    int out;
    int err;
    uint8_t *pending;           /* stdin bytes that the command has not taken */
    size_t pending_len;
    size_t pending_done;
    bool in_eof;                /* close stdin when pending is through */
} Session;

static bool write_all(int fd, const void *buf, size_t len)
{
    const uint8_t *p = buf;

    while (len) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

static bool read_all(int fd, void *buf, size_t len)
{
    uint8_t *p = buf;

    while (len) {
        ssize_t n = read(fd, p, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

static bool send_frame(int sock, char type, const void *buf, uint32_t len)
{
    uint8_t head[5];
    uint32_t le = htole32(len);

    head[0] = type;
    memcpy(head + 1, &le, sizeof(le));
    return send(sock, head, sizeof(head), MSG_MORE) == sizeof(head) &&
           write_all(sock, buf, len);
}

/* Reads one frame; the caller frees *buf. Returns its type or 0. */
static char recv_frame(int sock, uint8_t **buf, uint32_t *len)
{
    uint8_t head[5];
    uint32_t le;

    *buf = NULL;
    if (!read_all(sock, head, sizeof(head))) {
        return 0;
    }
    memcpy(&le, head + 1, sizeof(le));
    *len = le32toh(le);
    if (*len > FRAME_MAX) {
        return 0;
    }
    *buf = malloc(*len + 1);
    if (!*buf || !read_all(sock, *buf, *len)) {
        free(*buf);
        *buf = NULL;
        return 0;
    }
    (*buf)[*len] = 0;
    return head[0];
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void exec_command(char **argv)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    if (chdir("/root") < 0) {
        /* stay in / */
    }
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

static bool start_on_terminal(Session *s, char **argv)
{
    s->pid = forkpty(&s->in, NULL, NULL, NULL);
    if (s->pid == 0) {
        exec_command(argv);
    }
    s->out = s->pid < 0 ? -1 : dup(s->in);
    return s->pid > 0;
}

static bool start_on_pipes(Session *s, char **argv, bool merge)
{
    int in[2], out[2], err[2];

    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
        pipe2(err, O_CLOEXEC) < 0) {
        return false;
    }
    s->pid = fork();
    if (s->pid == 0) {
        setsid();
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(merge ? out[1] : err[1], 2);
        exec_command(argv);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    s->in = in[1];
    s->out = out[0];
    s->err = err[0];
    return s->pid > 0;
}

static bool start(Session *s)
{
    static char *argv[ARGS_MAX + 1];
    uint8_t *buf;
    uint32_t len, i;
    int argc = 0;

    if (recv_frame(s->sock, &buf, &len) != 'R' || len < 2) {
        return false;
    }
    s->tty = buf[0] == 't';
    for (i = 1; i < len && argc < ARGS_MAX; i += strlen((char *)buf + i) + 1) {
        argv[argc++] = (char *)buf + i;
    }
    if (s->tty ? !start_on_terminal(s, argv)
               : !start_on_pipes(s, argv, buf[0] == 'm')) {
        return false;
    }
    /* A command that does not read must not stop its output. */
    fcntl(s->in, F_SETFL, fcntl(s->in, F_GETFL) | O_NONBLOCK);
    fcntl(s->out, F_SETFL, fcntl(s->out, F_GETFL) | O_NONBLOCK);
    if (s->err >= 0) {
        fcntl(s->err, F_SETFL, fcntl(s->err, F_GETFL) | O_NONBLOCK);
    }
    return true;
}

/* Passes on what there is. Returns false when the connection is gone. */
static bool pass_output(Session *s, int *fd, char type)
{
    static uint8_t buf[64 * 1024];
    ssize_t n;

    while ((n = read(*fd, buf, sizeof(buf))) > 0) {
        if (!send_frame(s->sock, type, buf, n)) {
            return false;
        }
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        close_fd(fd);
    }
    return true;
}

static void feed_stdin(Session *s)
{
    while (s->pending_done < s->pending_len) {
        ssize_t n = s->in < 0 ? -1 :
                    write(s->in, s->pending + s->pending_done,
                          s->pending_len - s->pending_done);

        if (n < 0 && s->in >= 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && s->in >= 0 && errno == EAGAIN) {
            return;
        }
        if (n < 0) {
            /* Nobody reads any more: the rest is dropped, as in a pipe. */
            close_fd(&s->in);
            break;
        }
        s->pending_done += n;
    }
    free(s->pending);
    s->pending = NULL;
    s->pending_len = s->pending_done = 0;
    if (s->in_eof && !s->tty) {
        close_fd(&s->in);
    }
}

static bool handle_frame(Session *s)
{
    uint8_t *buf;
    uint32_t len;
    char type = recv_frame(s->sock, &buf, &len);

    switch (type) {
    case 'I':
        if (len == 0) {
            s->in_eof = true;
            free(buf);
            if (s->tty) {
                /* What Ctrl-D means to a terminal. */
                s->pending = (uint8_t *)strdup("\004");
                s->pending_len = 1;
            }
        } else {
            s->pending = buf;
            s->pending_len = len;
        }
        feed_stdin(s);
        return true;
    case 'W':
        if (s->tty && s->in >= 0 && len >= 4) {
            struct winsize ws = {
                .ws_row = buf[0] | buf[1] << 8,
                .ws_col = buf[2] | buf[3] << 8,
            };

            ioctl(s->in, TIOCSWINSZ, &ws);
        }
        free(buf);
        return true;
    default:
        free(buf);
        return false;
    }
}

/* Serves until the command ends (its status) or the connection goes (-1). */
static int serve(Session *s, int sigfd)
{
    for (;;) {
        struct pollfd p[] = {
            /* One frame of stdin at a time: that is the flow control. */
            { .fd = s->sock, .events = s->pending ? POLLRDHUP : POLLIN },
            { .fd = s->out, .events = POLLIN },
            { .fd = s->err, .events = POLLIN },
            { .fd = s->pending ? s->in : -1, .events = POLLOUT },
            { .fd = sigfd, .events = POLLIN },
        };
        bool ended;
        int status;

        if (poll(p, 5, -1) < 0 && errno != EINTR) {
            return -1;
        }
        /* Before the output is read: what it wrote before it ended counts. */
        ended = waitpid(s->pid, &status, WNOHANG) == s->pid;
        if ((s->out >= 0 && !pass_output(s, &s->out, 'O')) ||
            (s->err >= 0 && !pass_output(s, &s->err, 'E'))) {
            return -1;
        }
        if (ended) {
            return WIFEXITED(status) ? WEXITSTATUS(status)
                                     : 128 + WTERMSIG(status);
        }
        if (p[3].revents) {
            feed_stdin(s);
        }
        if (p[4].revents) {
            struct signalfd_siginfo info;
            ssize_t n = read(sigfd, &info, sizeof(info));

            (void)n;
        }
        if (p[0].revents & (POLLERR | POLLHUP | POLLRDHUP)) {
            return -1;
        }
        if ((p[0].revents & POLLIN) && !handle_frame(s)) {
            return -1;
        }
    }
}

static void session(int sock, const char *token)
{
    Session s = { .sock = sock, .in = -1, .out = -1, .err = -1 };
    char given[TOKEN_LEN];
    sigset_t chld;
    int sigfd, status;
    uint8_t byte;

    if (!read_all(sock, given, TOKEN_LEN) || memcmp(given, token, TOKEN_LEN)) {
        return;
    }
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    sigfd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
    if (sigfd < 0 || !start(&s)) {
        return;
    }
    status = serve(&s, sigfd);
    if (status < 0) {
        kill(-s.pid, SIGKILL);
        return;
    }
    byte = status;
    if (send_frame(sock, 'X', &byte, 1)) {
        /* Wait for the other side to close, or the reset eats the status. */
        shutdown(sock, SHUT_WR);
        while (read(sock, given, sizeof(given)) > 0) {
            /* late stdin */
        }
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_ANY),
    };
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
        listen(fd, 64) < 0) {
        perror("lab: the agent cannot listen");
        exit(1);
    }
    return fd;
}

/* The kernel brings the port up in its own time: wait until it is there. */
static int open_ready_port(void)
{
    char events[4096];
    glob_t found;
    int fd = -1;
    int watch = inotify_init1(IN_CLOEXEC);

    if (watch < 0 || inotify_add_watch(watch, "/dev", IN_CREATE) < 0) {
        return -1;
    }
    while (glob(READY_PORTS, 0, NULL, &found) != 0) {
        if (read(watch, events, sizeof(events)) <= 0) {
            close(watch);
            return -1;
        }
    }
    fd = open(found.gl_pathv[0], O_RDWR | O_CLOEXEC);
    globfree(&found);
    close(watch);
    return fd;
}

/*
 * Opening the port says that we listen; the token comes through it.  It stays
 * open: its closing would say that the agent is gone.
 */
static void get_token(char *token)
{
    int fd = open_ready_port();

    if (fd < 0 || !read_all(fd, token, TOKEN_LEN)) {
        perror("lab: the agent has no token from " READY_PORTS);
        exit(1);
    }
}

int main(void)
{
    char token[TOKEN_LEN];
    int listener = listen_on(AGENT_PORT);
    int one = 1;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    get_token(token);
    for (;;) {
        int sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        if (sock < 0) {
            if (errno == EINTR || errno == ECONNABORTED) {
                continue;
            }
            perror("lab: the agent cannot accept");
            return 1;
        }
        setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (fork() == 0) {
            close(listener);
            signal(SIGCHLD, SIG_DFL);
            session(sock, token);
            _exit(0);
        }
        close(sock);
    }
}
