/* openpgm sends or receives numbered messages with OpenPGM's public API, for
 * the interoperation tests and the bench: a peer, never part of the product.
 *
 *   openpgm send|recv key=value...
 *
 * A message is its number (8 octets, network order), the moment it was sent
 * (CLOCK_MONOTONIC in ns, likewise) and a pattern. The sender prints one line
 * of JSON at its end; the receiver one for each source it heard.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <pgm/pgm.h>

enum { HEADER = 16, SOURCES = 8, LATENCIES = 4 << 20 };

static const char *arg(int argc, char **argv, const char *key, const char *otherwise)
{
	size_t n = strlen(key);
	for (int i = 2; i < argc; i++)
		if (!strncmp(argv[i], key, n) && argv[i][n] == '=')
			return argv[i] + n + 1;
	return otherwise;
}

static long num(int argc, char **argv, const char *key, long otherwise)
{
	const char *s = arg(argc, argv, key, NULL);
	return s ? atol(s) : otherwise;
}

static void die(const char *what, pgm_error_t *err)
{
	fprintf(stderr, "%s: %s\n", what, err ? err->message : strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double cpu(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void set(pgm_sock_t *s, int option, int value)
{
	if (!pgm_setsockopt(s, IPPROTO_PGM, option, &value, sizeof value)) {
		fprintf(stderr, "option %x\n", option);
		exit(1);
	}
}

static void set_sender(pgm_sock_t *s, int argc, char **argv)
{
	const int heartbeat[] = { 10000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000 };
	set(s, PGM_SEND_ONLY, 1);
	set(s, PGM_TXW_SQNS, num(argc, argv, "sqns", 60000));
	if (num(argc, argv, "rate", 0))
		set(s, PGM_TXW_MAX_RTE, num(argc, argv, "rate", 0));
	set(s, PGM_AMBIENT_SPM, 1000000);
	if (!pgm_setsockopt(s, IPPROTO_PGM, PGM_HEARTBEAT_SPM, heartbeat, sizeof heartbeat))
		die("heartbeat", NULL);
}

static void set_receiver(pgm_sock_t *s, int argc, char **argv)
{
	set(s, PGM_RECV_ONLY, 1);
	set(s, PGM_RXW_SQNS, num(argc, argv, "sqns", 60000));
	set(s, PGM_PEER_EXPIRY, 300000000);
	set(s, PGM_SPMR_EXPIRY, 250000);
	set(s, PGM_NAK_BO_IVL, num(argc, argv, "nak_bo", 2000));
	set(s, PGM_NAK_RPT_IVL, num(argc, argv, "nak_rpt", 20000));
	set(s, PGM_NAK_RDATA_IVL, num(argc, argv, "nak_rdata", 20000));
	set(s, PGM_NAK_DATA_RETRIES, 50);
	set(s, PGM_NAK_NCF_RETRIES, 50);
}

static pgm_sock_t *open_socket(int argc, char **argv, int sender)
{
	pgm_error_t *err = NULL;
	pgm_sock_t *s = NULL;
	struct pgm_addrinfo_t *ai = NULL;
	struct pgm_sockaddr_t at;
	struct pgm_interface_req_t ifreq;
	int port = num(argc, argv, "port", 0), buffer = 4 << 20;
	if (!pgm_init(&err) || !pgm_getaddrinfo(arg(argc, argv, "network", ""), NULL, &ai, &err))
		die("network", err);
	sa_family_t family = ai->ai_send_addrs[0].gsr_group.ss_family;
	if (!pgm_socket(&s, family, SOCK_SEQPACKET, port ? IPPROTO_UDP : IPPROTO_PGM, &err))
		die("socket", err);
	if (port) {
		set(s, PGM_UDP_ENCAP_UCAST_PORT, port);
		set(s, PGM_UDP_ENCAP_MCAST_PORT, port);
	}
	if (family == AF_INET) /* OpenPGM refuses to be asked over IPv6 */
		set(s, PGM_IP_ROUTER_ALERT, 0);
	/* A sender's fragments must be multiples of 32 octets, or its copy with
	 * checksum crashes: 1472 in IPv4 and 1480 in UDP make them 1408. */
	int longer = family == AF_INET6 ? 20 : 0;
	set(s, PGM_MTU, !sender ? 1500 : longer + (port ? 1480 : 1472));
	sender ? set_sender(s, argc, argv) : set_receiver(s, argc, argv);
	pgm_setsockopt(s, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
	pgm_setsockopt(s, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	memset(&at, 0, sizeof at);
	at.sa_port = num(argc, argv, "dport", 7500);
	at.sa_addr.sport = 0;
	const char *name = arg(argc, argv, "name", "openpgm");
	if (!pgm_gsi_create_from_string(&at.sa_addr.gsi, name, -1))
		die("gsi", NULL);
	memset(&ifreq, 0, sizeof ifreq);
	ifreq.ir_interface = ai->ai_recv_addrs[0].gsr_interface;
	if (family == AF_INET6)
		ifreq.ir_scope_id = ((struct sockaddr_in6 *)&ai->ai_send_addrs[0].gsr_group)->sin6_scope_id;
	memcpy(&ifreq.ir_address, &ai->ai_send_addrs[0].gsr_addr, sizeof ifreq.ir_address);
	if (!pgm_bind3(s, &at, sizeof at, &ifreq, sizeof ifreq, &ifreq, sizeof ifreq, &err))
		die("bind", err);
	for (unsigned i = 0; i < ai->ai_recv_addrs_len; i++)
		if (!pgm_setsockopt(s, IPPROTO_PGM, PGM_JOIN_GROUP, &ai->ai_recv_addrs[i], sizeof(struct pgm_group_source_req)))
			die("join", NULL);
	if (!pgm_setsockopt(s, IPPROTO_PGM, PGM_SEND_GROUP, &ai->ai_send_addrs[0], sizeof(struct pgm_group_source_req)))
		die("group", NULL);
	set(s, PGM_MULTICAST_LOOP, 0);
	set(s, PGM_MULTICAST_HOPS, 1);
	set(s, PGM_NOBLOCK, 1);
	if (!pgm_connect(s, &err))
		die("connect", err);
	pgm_freeaddrinfo(ai);
	return s;
}

/* rest waits until the socket's own timer, or until packets come. */
static void rest(pgm_sock_t *s, int status, long most_us)
{
	struct timeval tv = { 0, most_us };
	socklen_t n = sizeof tv;
	struct pollfd fds[PGM_BUS_SOCKET_READ_COUNT];
	int count = PGM_BUS_SOCKET_READ_COUNT;
	if (status == PGM_IO_STATUS_TIMER_PENDING)
		pgm_getsockopt(s, IPPROTO_PGM, PGM_TIME_REMAIN, &tv, &n);
	else if (status == PGM_IO_STATUS_RATE_LIMITED)
		pgm_getsockopt(s, IPPROTO_PGM, PGM_RATE_REMAIN, &tv, &n);
	long us = tv.tv_sec * 1000000 + tv.tv_usec;
	if (us > most_us)
		us = most_us;
	pgm_poll_info(s, fds, &count, POLLIN);
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };
	ppoll(fds, count, &ts, NULL);
}

/* serve answers NAKs, which OpenPGM does in its receive call. */
static int serve(pgm_sock_t *s)
{
	char junk[64];
	size_t n;
	pgm_error_t *err = NULL;
	int status = pgm_recv(s, junk, sizeof junk, MSG_DONTWAIT, &n, &err);
	if (err)
		pgm_error_free(err);
	return status;
}

static void fill(unsigned char *m, long i, long size)
{
	uint64_t be = htobe64(i);
	memcpy(m, &be, 8);
	for (long k = HEADER; k < size; k++)
		m[k] = i + k;
}

static volatile sig_atomic_t enough; /* told that everybody has everything */

static void stop(int signal)
{
	(void)signal;
	enough = 1;
}

static int run_send(int argc, char **argv)
{
	long count = num(argc, argv, "count", 1000), size = num(argc, argv, "size", 200);
	double per_second = num(argc, argv, "mps", 0);
	int linger = num(argc, argv, "linger", 1200);
	pgm_sock_t *s = open_socket(argc, argv, 1);
	signal(SIGTERM, stop);
	/* The same crash again: caller's and library's octets must lie alike. */
	unsigned char *m = (unsigned char *)aligned_alloc(32, (size + 96) / 32 * 32) + (size > 1400 ? 4 : 0);
	uint64_t wait = now() + num(argc, argv, "delay", 0) * 1000000ull;
	while (now() < wait)
		rest(s, serve(s), 10000);
	uint64_t start = now();
	for (long i = 0; i < count; i++) {
		long left; /* ns */
		while (per_second && (left = start + (uint64_t)(i * 1e9 / per_second) - now()) > 0)
			rest(s, serve(s), left / 1000);
		fill(m, i, size);
		uint64_t be = htobe64(now());
		memcpy(m + 8, &be, 8);
		int status;
		while ((status = pgm_send(s, m, size, NULL)) != PGM_IO_STATUS_NORMAL) {
			if (status == PGM_IO_STATUS_ERROR)
				die("send", NULL);
			rest(s, serve(s), 1000);
		}
		if (i % 16 == 0)
			serve(s);
	}
	uint64_t end = now();
	double used = cpu();
	uint64_t told = now() + num(argc, argv, "untiltold", 0) * 1000000ull;
	while (!enough && now() < told)
		rest(s, serve(s), 1000);
	told = now();
	while (now() < told + linger * 1000000ull)
		rest(s, serve(s), 1000); /* one repair a call is all OpenPGM does */
	printf("{\"messages\":%ld,\"seconds\":%.6f,\"cpu_seconds\":%.6f}\n", count, (end - start) / 1e9, used);
	pgm_close(s, TRUE);
	return 0;
}

/* source is what was heard of one session. */
struct source {
	pgm_tsi_t tsi;
	long received, disorder, corrupt, first, next, missing;
	uint64_t begin, end;
};

static struct source sources[SOURCES];
static uint32_t *latency; /* in units of 100 ns */
static long latencies;

static struct source *find(const pgm_tsi_t *tsi)
{
	for (int i = 0; i < SOURCES; i++) {
		if (!sources[i].received) {
			sources[i].tsi = *tsi;
			return &sources[i];
		}
		if (pgm_tsi_equal(&sources[i].tsi, tsi))
			return &sources[i];
	}
	return &sources[0];
}

static void take(const pgm_tsi_t *tsi, const unsigned char *m, size_t n, size_t size, int check)
{
	struct source *s = find(tsi);
	uint64_t number, stamp, t = now();
	memcpy(&number, m, 8);
	memcpy(&stamp, m + 8, 8);
	long i = be64toh(number);
	if (!s->received) {
		s->first = s->next = i;
		s->begin = t;
	}
	if (i < s->next)
		s->disorder++;
	else {
		s->missing += i - s->next;
		s->next = i + 1;
	}
	int bad = n != size;
	for (size_t k = HEADER; check && k < n; k++)
		bad |= m[k] != (unsigned char)(i + k);
	s->corrupt += bad;
	s->received++;
	s->end = t;
	if (latencies < LATENCIES)
		latency[latencies++] = (t - be64toh(stamp)) / 100;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double percentile(double p)
{
	return latencies ? latency[(long)(p * (latencies - 1))] / 10.0 : 0;
}

static void report(long resets)
{
	long skip = latencies / 20; /* the start: joining */
	latency += skip;
	latencies -= skip;
	qsort(latency, latencies, sizeof *latency, compare);
	for (int i = 0; i < SOURCES && (i == 0 || sources[i].received); i++) {
		struct source *s = &sources[i];
		printf("{\"source\":\"%s\",\"received\":%ld,\"first\":%ld,\"next\":%ld,\"missing\":%ld,\"disorder\":%ld,"
		       "\"corrupt\":%ld,\"resets\":%ld,\"seconds\":%.6f,\"cpu\":%.6f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n",
		       pgm_tsi_print(&s->tsi), s->received, s->first, s->next, s->missing, s->disorder, s->corrupt, resets,
		       (s->end - s->begin) / 1e9, cpu(), percentile(.5), percentile(.99), percentile(.999));
	}
}

static int run_recv(int argc, char **argv)
{
	long count = num(argc, argv, "count", 1000), size = num(argc, argv, "size", 200), want = num(argc, argv, "sources", 1);
	long idle_ms = num(argc, argv, "idle", 3000), stop_at = num(argc, argv, "stop", -1), resets = 0, done = 0;
	long patience_ms = num(argc, argv, "patience", 20000);
	int check = num(argc, argv, "check", 1);
	static unsigned char m[65536];
	latency = malloc(LATENCIES * sizeof *latency);
	pgm_sock_t *s = open_socket(argc, argv, 0);
	printf("{\"ready\":true}\n");
	fflush(stdout);
	uint64_t last = now() + (patience_ms - idle_ms) * 1000000ll;
	while (done < want && (int64_t)(now() - last) < idle_ms * 1000000ll) {
		struct pgm_sockaddr_t from;
		socklen_t fromlen = sizeof from;
		size_t n = 0;
		pgm_error_t *err = NULL;
		int status = pgm_recvfrom(s, m, sizeof m, MSG_DONTWAIT, &n, &from, &fromlen, &err);
		if (status == PGM_IO_STATUS_NORMAL && n >= HEADER) {
			take(&from.sa_addr, m, n, size, check);
			last = now();
			done = 0;
			for (int i = 0; i < SOURCES; i++)
				done += sources[i].received && sources[i].next >= count;
			if (sources[0].received == stop_at)
				usleep(2000000);
		} else if (status == PGM_IO_STATUS_RESET) {
			resets++;
		} else if (status != PGM_IO_STATUS_NORMAL && status != PGM_IO_STATUS_FIN) {
			rest(s, status, 20000);
		}
		if (err)
			pgm_error_free(err);
	}
	report(resets);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "send"))
		return run_send(argc, argv);
	if (argc > 1 && !strcmp(argv[1], "recv"))
		return run_recv(argc, argv);
	fprintf(stderr, "usage: openpgm send|recv key=value...\n");
	return 2;
}
