/* Many stand-ins for idle Claude Code processes, whose status changes at random moments.
 *
 * usage: claude HOME RESULTS SEED WINDOW CHANGING < SESSIONS
 *
 * For each session, a line of standard input, one process: it keeps a record as Claude Code 2.1.332 does, listens at a
 * socket, and ends by SIGTERM. Of every ten, CHANGING get a message at a random moment within WINDOW seconds: the
 * record becomes busy, and after up to 50 ms idle again. As it ends, a process writes one line to RESULTS: its session,
 * its status at the signal, the nanoseconds from the last change to the signal, and how many changes there were. The
 * first line on standard output is "ready"; the end of standard input's writer ends all that are left.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t busy;
static volatile long long changed;
static volatile int changes;
static char record[512], session[64], fixed[2048];
static int results;

static long long now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void on_end(int signal) {
  (void)signal;
  long long ago = now(CLOCK_MONOTONIC) - changed;
  char line[160];
  int length = snprintf(line, sizeof line, "%s %s %lld %d\n", session, busy ? "busy" : "idle", changed ? ago : -1, changes);
  unlink(record);
  if (write(results, line, length) != length) _exit(1);
  _exit(143);
}

static void fail(const char *what) {
  perror(what);
  _exit(1);
}

/* In place, as the CLI does: written, then cut. */
static void write_record(const char *status, long long since_ms) {
  char text[4096];
  int length = snprintf(text, sizeof text, "%s,\"status\":\"%s\",\"statusUpdatedAt\":%lld}", fixed, status, since_ms);
  int file = open(record, O_WRONLY | O_CREAT, 0644);
  if (file < 0 || write(file, text, length) != length || ftruncate(file, length)) fail(record);
  close(file);
}

static void sleep_for(long long nanoseconds) {
  struct timespec time = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time)) {
  }
}

static void change(int to_busy) {
  write_record(to_busy ? "busy" : "idle", now(CLOCK_REALTIME) / 1000000);
  changed = now(CLOCK_MONOTONIC);
  busy = to_busy;
  changes++;
}

static void text_of(const char *path, char *into, size_t most) {
  int file = open(path, O_RDONLY);
  ssize_t length = file < 0 ? 0 : read(file, into, most - 1);
  into[length < 0 ? 0 : length] = 0;
  into[strcspn(into, "\n")] = 0;
  if (file >= 0) close(file);
}

/* Field 22 of stat. */
static const char *start_of(char *stat) {
  char *field = strrchr(stat, ')') + 2;
  for (int number = 3; number < 22; number++) field = strchr(field, ' ') + 1;
  field[strcspn(field, " ")] = 0;
  return field;
}

static void stand_in(const char *home, unsigned seed, double window, int changing) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int input[2];
  if (pipe(input) || dup2(input[0], 0) < 0) fail("pipe");

  int pid = getpid();
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s/s%d", home, pid);
  int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1)) fail("socket");

  char machine[64], stat[1024], namespace[64];
  text_of("/etc/machine-id", machine, sizeof machine);
  text_of("/proc/self/stat", stat, sizeof stat);
  ssize_t length = readlink("/proc/self/ns/pid", namespace, sizeof namespace - 1);
  namespace[length < 0 ? 0 : length] = 0;
  snprintf(record, sizeof record, "%s/.claude/sessions/%d.json", home, pid);
  snprintf(fixed, sizeof fixed,
           "{\"pid\":%d,\"procStart\":\"%s\",\"sessionId\":\"%s\",\"cwd\":\"%s\",\"version\":\"2.1.332\","
           "\"startedAt\":%lld,\"kind\":\"interactive\",\"entrypoint\":\"sdk-ts\",\"messagingSocketPath\":\"%s\","
           "\"pidDomain\":\"linux:%s:%s\"",
           pid, start_of(stat), session, home, now(CLOCK_REALTIME) / 1000000, address.sun_path, machine, namespace);
  write_record("idle", now(CLOCK_REALTIME) / 1000000 - 3 * 3600 * 1000LL);
  /* The signal is handled as soon as it comes, on a busy machine as well. */
  struct sched_param first = {.sched_priority = 1};
  sched_setscheduler(0, SCHED_FIFO, &first);
  signal(SIGTERM, on_end);
  if (write(1, ".", 1) != 1) fail("stdout");

  srand(seed);
  if (rand() % 10 < changing) {
    sleep_for((long long)(window * 1e9 * (rand() / (RAND_MAX + 1.0))));
    change(1);
    sleep_for(rand() % 50000 * 1000LL);
    change(0);
  }
  for (;;) pause();
}

int main(int count, char **words) {
  if (count != 6) return 2;
  results = open(words[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (results < 0) fail(words[2]);
  unsigned seed = strtoul(words[3], 0, 10);
  while (fgets(session, sizeof session, stdin)) {
    session[strcspn(session, "\n")] = 0;
    if (!*session) break;
    seed = seed * 1103515245 + 12345;
    if (fork() == 0) stand_in(words[1], seed, strtod(words[4], 0), atoi(words[5]));
  }
  signal(SIGCHLD, SIG_IGN);
  char end;
  while (read(0, &end, 1) > 0) {
  }
  return 0;
}
