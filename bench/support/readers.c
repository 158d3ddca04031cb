/*
 * The load of the fan-out and connection benchmarks: N clients of one HTTP server on one thread around epoll(7).
 *
 *   readers sse  PORT PID PATH PUBLISH_PATH SECONDS N...   reads event streams, publishes 10 events a second by POST
 *   readers idle PORT PID PATH -            SECONDS N...   makes one request on each connection, then keeps it idle
 *
 * The numbers N rise; connections of one step stay for the next. For each step one line of JSON is printed.
 *
 * What makes it cheap: one system call per event and reader (recv into one buffer), no allocation, lines found by
 * memchr. Its own CPU time is printed beside the server's, so that nobody has to believe that it was not the bottleneck.
 *
 * An event's data begins with a sequence number and the time of its publication, microseconds of CLOCK_MONOTONIC, which
 * is this process's in both places. A reader that sees any number but the next one counts what is lost, or what came
 * twice or late. Lines are cut at LF whatever the framing; a server that split an event's line between two chunks would
 * be seen to lose it.
 *
 * The server's CPU is its process's CPU clock (clock_getcpuclockid(3)): all threads, user and system, in nanoseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTING, IN_HEAD, IN_BODY, READY, GONE };

/* Events published a second. */
#define RATE 10
/* Bytes of an event's data: about a token with its JSON. */
#define DATA_BYTES 100
/* Connections being made at a time: below the backlog of every server. */
#define PENDING_MAX 128
/* Part of a line kept from one read to the next; the longest line that is looked at is an event's data. */
#define CARRY_BYTES 160
/* Latencies are counted in slots of 10 us, up to 2 s. */
#define SLOT_US 10
#define SLOTS 200000
/* Longest wait without any progress, seconds; a server silent for so long has failed, or lost what is missing. */
#define SILENCE_S 10
/*
 * The warm-up: so many readers come, get so many events, and leave, over and over. The JIT compiles here, and what stays of
 * it is no reader's. Accepting is compiled after a thousand connections or two, which costs V8 a dozen MiB once.
 */
#define WARM_READERS 200
#define WARM_VISITS 10
#define WARM_ROUNDS 10

struct client {
  int fd;
  uint8_t state;
  uint8_t carried;
  uint32_t last;
  uint32_t body_left;
  char carry[CARRY_BYTES];
};

static int epoll_fd, port, is_sse;
static pid_t server_pid;
static clockid_t server_clock;
static const char *path, *publish_path;
static struct client *clients, publisher;
static int opened, ready, pending, gone, refused;
static uint32_t sequence;
static uint64_t answers, deliveries, lost, disordered, received_bytes;
static uint32_t slots[SLOTS];
static uint64_t slowest_us;
static char buffer[256 * 1024];

static void fail(const char *what) {
  fprintf(stderr, "Cannot load the server: %s (%s)\n", what, strerror(errno));
  exit(1);
}

static double seconds_of(clockid_t clock) {
  struct timespec time;
  if (clock_gettime(clock, &time) != 0) fail("the server's CPU clock cannot be read");
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double now(void) { return seconds_of(CLOCK_MONOTONIC); }

static uint64_t now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

/* Resident memory of the server, KiB (proc(5), statm). */
static long rss_kib(void) {
  char name[64];
  long total, resident;
  snprintf(name, sizeof name, "/proc/%d/statm", server_pid);
  FILE *file = fopen(name, "r");
  if (file == NULL || fscanf(file, "%ld %ld", &total, &resident) != 2) fail("the server's memory cannot be read");
  fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Fields 14 and 15 of /proc/<pid>/stat: user and system time in ticks. */
static void cpu_ticks(double *user, double *system) {
  char name[64], text[1024];
  unsigned long utime, stime;
  snprintf(name, sizeof name, "/proc/%d/stat", server_pid);
  FILE *file = fopen(name, "r");
  if (file == NULL) fail("the server's CPU time cannot be read");
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  char *after = strrchr(text, ')');
  if (after == NULL || sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &utime, &stime) != 2)
    fail("the server's CPU time cannot be read");
  *user = (double)utime / sysconf(_SC_CLK_TCK);
  *system = (double)stime / sysconf(_SC_CLK_TCK);
}

static void watch(struct client *client, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = client};
  if (epoll_ctl(epoll_fd, operation, client->fd, &event) != 0) fail("epoll_ctl");
}

static void begin(struct client *client) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1;
  struct linger reset = {.l_onoff = 1, .l_linger = 0}; /* No port is left in TIME_WAIT. */
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memset(client, 0, sizeof *client);
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (client->fd < 0) fail("socket");
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  client->state = CONNECTING;
  if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) fail("connect");
  watch(client, EPOLLOUT, EPOLL_CTL_ADD);
}

static void leave(struct client *client) {
  if (client->state == CONNECTING || client->state == IN_HEAD || client->state == IN_BODY) pending--;
  if (client->state == READY) ready--;
  client->state = GONE;
  close(client->fd);
  if (client == &publisher) fail("the publisher's connection was closed");
  gone++;
}

static void ask(struct client *client) {
  char text[512];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    errno = error;
    fail("connect");
  }
  watch(client, EPOLLIN, EPOLL_CTL_MOD);
  client->state = client == &publisher ? READY : IN_HEAD;
  if (client == &publisher) return;
  int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path,
                        is_sse ? "Accept: text/event-stream\r\n" : "");
  if (send(client->fd, text, length, MSG_NOSIGNAL) != length) fail("send");
}

static void become_ready(struct client *client) {
  client->state = READY;
  client->last = sequence;
  pending--;
  ready++;
}

static void take_event(struct client *client, const char *data, uint64_t time_us) {
  char *end;
  uint32_t number = strtoul(data, &end, 10);
  uint64_t latency = time_us - strtoull(end, NULL, 10);
  if (number == 0 || end == data) return;
  if (number <= client->last) {
    disordered++;
    return;
  }
  lost += number - client->last - 1;
  client->last = number;
  deliveries++;
  slots[latency / SLOT_US < SLOTS ? latency / SLOT_US : SLOTS - 1]++;
  if (latency > slowest_us) slowest_us = latency;
}

/* One line without its LF; there are bytes behind it that may be written to. */
static void take_line(struct client *client, char *line, size_t length, uint64_t time_us) {
  line[length] = 0;
  if (client == &publisher) {
    if (strncmp(line, "HTTP/1.1 ", 9) != 0) return;
    answers++;
    if (line[9] != '2') refused++;
    return;
  }
  if (client->state == READY) {
    if (length > 5 && memcmp(line, "data:", 5) == 0) take_event(client, line + 5, time_us);
    return;
  }
  if (strncmp(line, "HTTP/1.1 ", 9) == 0 && strncmp(line + 9, "200", 3) != 0) fail(line);
  if (strncasecmp(line, "content-length:", 15) == 0) client->body_left = strtoul(line + 15, NULL, 10);
  if (length > 1) return;
  if (is_sse || client->body_left == 0) become_ready(client);
  else client->state = IN_BODY;
}

static void take_bytes(struct client *client, char *bytes, size_t length, uint64_t time_us) {
  char line[CARRY_BYTES + 1];
  char *end = bytes + length;
  while (bytes < end) {
    if (client->state == IN_BODY) {
      size_t part = (size_t)(end - bytes) < client->body_left ? (size_t)(end - bytes) : client->body_left;
      client->body_left -= part;
      bytes += part;
      if (client->body_left == 0) become_ready(client);
      continue;
    }
    char *newline = memchr(bytes, '\n', end - bytes);
    char *stop = newline == NULL ? end : newline;
    if (client->carried > 0 || newline == NULL) {
      size_t room = CARRY_BYTES - 1 - client->carried;
      size_t part = (size_t)(stop - bytes) < room ? (size_t)(stop - bytes) : room;
      memcpy(client->carry + client->carried, bytes, part);
      client->carried += part;
      if (newline != NULL) {
        size_t carried = client->carried;
        memcpy(line, client->carry, carried);
        client->carried = 0;
        take_line(client, line, carried, time_us);
      }
    } else take_line(client, bytes, newline - bytes, time_us);
    bytes = stop + 1;
  }
}

static void receive(struct client *client) {
  ssize_t count = recv(client->fd, buffer, sizeof buffer - 1, 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    leave(client);
    return;
  }
  received_bytes += count;
  take_bytes(client, buffer, count, now_us());
}

/* Handles what there is, waiting `timeout_ms` for it at most; returns how much there was. */
static int turn(int timeout_ms) {
  static struct epoll_event events[1024];
  int count = epoll_wait(epoll_fd, events, 1024, timeout_ms);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; i++) {
    struct client *client = events[i].data.ptr;
    if (client->state == GONE) continue;
    if (client->state == CONNECTING) ask(client);
    else receive(client);
  }
  return count < 0 ? 0 : count;
}

static void open_clients(int count) {
  double since = now();
  int before = -1;
  while (ready < count - gone) {
    for (; opened < count && pending < PENDING_MAX; pending++) begin(&clients[opened++]);
    turn(100);
    if (ready != before) since = now();
    before = ready;
    if (now() - since > SILENCE_S) fail("it does not answer all connections");
  }
}

static void publish(void) {
  char body[DATA_BYTES + 1], text[512];
  memset(body, '.', DATA_BYTES);
  body[snprintf(body, DATA_BYTES, "%u %llu ", sequence + 1, (unsigned long long)now_us())] = '.';
  body[DATA_BYTES] = 0;
  int length = snprintf(text, sizeof text,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
                        publish_path, DATA_BYTES, body);
  sequence++;
  if (send(publisher.fd, text, length, MSG_NOSIGNAL) != length) fail("the publisher is not read");
}

/* Waits until every reader has every event, or nothing comes any more. */
static void drain(uint64_t expected) {
  double since = now();
  while (deliveries + lost < expected && now() - since < SILENCE_S)
    if (turn(100) > 0) since = now();
}

/* Publishes for some time, or waits. */
static void run(double seconds) {
  double start = now();
  for (int i = 0; i < seconds * RATE; i++) {
    double due = start + (double)i / RATE;
    for (double left = due - now(); left > 0; left = due - now()) turn((int)(left * 1000) + 1);
    if (is_sse) publish();
    else turn(0);
  }
  double left = start + seconds - now();
  while (!is_sse && left > 0) {
    turn((int)(left * 1000) + 1);
    left = start + seconds - now();
  }
}

static void reset_counts(void) {
  deliveries = lost = disordered = slowest_us = received_bytes = 0;
  memset(slots, 0, sizeof slots);
}

static double percentile(double share) {
  uint64_t seen = 0;
  for (int i = 0; i < SLOTS; i++)
    if ((seen += slots[i]) >= deliveries * share) return (double)i * SLOT_US;
  return 0;
}

static void warm_up(void) {
  for (int visit = 0; visit < WARM_VISITS; visit++) {
    open_clients(WARM_READERS);
    for (int i = 0; is_sse && i < WARM_ROUNDS; i++) {
      publish();
      drain((uint64_t)WARM_READERS * (i + 1));
    }
    for (int i = 0; i < opened; i++) close(clients[i].fd);
    opened = ready = pending = 0;
    reset_counts();
  }
  double end = now() + 0.5; /* Time for the server to notice, and to collect its garbage if it cares to. */
  while (now() < end) turn(50);
}

static void step(int count, double seconds, long empty_kib) {
  double user, system, user_after, system_after;
  double opening = now(), opening_cpu = seconds_of(server_clock);
  int had = ready;
  open_clients(count);
  opening_cpu = seconds_of(server_clock) - opening_cpu;
  opening = now() - opening;
  int opened_now = ready - had;
  run(0.5); /* The first rounds with new readers. */
  drain(is_sse ? (uint64_t)ready * (uint64_t)(0.5 * RATE) : 0);
  reset_counts();
  int readers = ready;
  double load = seconds_of(CLOCK_PROCESS_CPUTIME_ID), cpu = seconds_of(server_clock), start = now();
  cpu_ticks(&user, &system);
  uint64_t published = sequence;
  run(seconds);
  published = sequence - published;
  drain(published * readers);
  double elapsed = now() - start;
  cpu = seconds_of(server_clock) - cpu;
  load = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - load;
  cpu_ticks(&user_after, &system_after);
  uint64_t expected = published * readers;
  if (deliveries + lost < expected) lost = expected - deliveries; /* What never came. */
  printf("{\"readers\":%d,\"seconds\":%.3f,\"published\":%llu,\"deliveries\":%llu,\"lost\":%llu,\"disordered\":%llu,"
         "\"gone\":%d,\"refused\":%d,\"cpuSeconds\":%.6f,\"userSeconds\":%.2f,\"systemSeconds\":%.2f,"
         "\"loadSeconds\":%.6f,\"rssKiB\":%ld,\"emptyRssKiB\":%ld,\"p50Us\":%.0f,\"p99Us\":%.0f,\"maxUs\":%llu,"
         "\"openedNow\":%d,\"openSeconds\":%.3f,\"openCpuSeconds\":%.6f}\n",
         readers, elapsed, (unsigned long long)published, (unsigned long long)deliveries, (unsigned long long)lost,
         (unsigned long long)disordered, gone, refused, cpu, user_after - user, system_after - system, load, rss_kib(),
         empty_kib, percentile(0.5), percentile(0.99), (unsigned long long)slowest_us, opened_now, opening, opening_cpu);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc < 8) {
    fprintf(stderr, "usage: readers sse|idle port pid path publish-path seconds n...\n");
    return 2;
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  is_sse = strcmp(argv[1], "sse") == 0;
  port = atoi(argv[2]);
  server_pid = atoi(argv[3]);
  path = argv[4];
  publish_path = argv[5];
  double seconds = atof(argv[6]);
  int most = WARM_READERS;
  for (int i = 7; i < argc; i++) most = atoi(argv[i]) > most ? atoi(argv[i]) : most;
  if (files.rlim_max < (rlim_t)most + 64) {
    fprintf(stderr, "Cannot load the server: %d connections need as many descriptors; the limit is %llu\n", most,
            (unsigned long long)files.rlim_max);
    return 1;
  }
  clients = calloc(most, sizeof *clients);
  epoll_fd = epoll_create1(0);
  if (clients == NULL || epoll_fd < 0) fail("no memory, or no epoll");
  if (clock_getcpuclockid(server_pid, &server_clock) != 0) fail("the server's CPU clock cannot be found");
  if (is_sse) begin(&publisher);
  while (is_sse && publisher.state != READY) turn(100);
  warm_up();
  long empty_kib = rss_kib();
  for (int i = 7; i < argc; i++) step(atoi(argv[i]), seconds, empty_kib);
  return 0;
}
