/* Moves messages with PGM (RFC 3208) over UDP as OpenPGM has it, at a rate set
 * by hand. It has no flow control: what a receiver does not keep up with is
 * lost to it when the sender's window has passed.
 *
 *   openpgm send ADDRESS GROUP PORT MESSAGES SIZE RATE_BITS
 *   openpgm recv ADDRESS GROUP PORT MESSAGES SIZE
 *   openpgm ping ADDRESS GROUP PORT SIZE RATE SECONDS
 *   openpgm pong ADDRESS GROUP PORT
 *
 * ADDRESS is the interface's own address; OpenPGM looks names up in the wrong
 * place inside a network namespace. A receiver says that it listens, and later
 * what it got. The sender goes on repairing until its input ends. Messages of
 * preamble go ahead, because a receiver asks for nothing that lies before the
 * first packet that it hears. */
#include <poll.h> /* first: pgm.h looks whether it is there */
#include <pgm/pgm.h>
#include <pthread.h>
#include <unistd.h>

#include "content.h"
#include "pingpong.h"

#define WINDOW 65536 /* packets */
#define PREAMBLE UINT64_MAX

static pgm_sock_t *sock;
static volatile int ending;

static void set(int option, int value, const char *what)
{
	if (!pgm_setsockopt(sock, IPPROTO_PGM, option, &value, sizeof value))
		fail(what);
}

static void open_socket(char **argv)
{
	pgm_error_t *e = NULL;
	char network[128];
	struct pgm_addrinfo_t *info = NULL;
	if (!pgm_init(&e))
		fail("pgm_init");
	snprintf(network, sizeof network, "%s;%s", argv[2], argv[3]);
	if (!pgm_getaddrinfo(network, NULL, &info, &e))
		fail(e ? e->message : "pgm_getaddrinfo");
	if (!pgm_socket(&sock, AF_INET, SOCK_SEQPACKET, IPPROTO_UDP, &e))
		fail(e ? e->message : "pgm_socket");
	int port = atoi(argv[4]), buffer = 4 << 20;
	set(PGM_UDP_ENCAP_UCAST_PORT, port, "port");
	set(PGM_UDP_ENCAP_MCAST_PORT, port, "port");
	set(PGM_MTU, 1500, "mtu");
	set(PGM_NOBLOCK, 1, "noblock");
	int both = argv[1][0] == 'p'; /* ping-pong */
	if (both || strcmp(argv[1], "send") == 0) {
		int beats[] = {pgm_msecs(4), pgm_msecs(4), pgm_msecs(8), pgm_msecs(16), pgm_msecs(32), pgm_msecs(64), pgm_msecs(128)};
		if (!both)
			set(PGM_SEND_ONLY, 1, "send only");
		set(PGM_TXW_SQNS, WINDOW, "window");
		set(PGM_TXW_MAX_RTE, both ? 125000000 : (int)(atof(argv[7]) / 8), "rate");
		set(PGM_AMBIENT_SPM, pgm_msecs(200), "ambient spm");
		if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_HEARTBEAT_SPM, beats, sizeof beats))
			fail("heartbeat spm");
	}
	if (strcmp(argv[1], "send") != 0) {
		if (!both)
			set(PGM_RECV_ONLY, 1, "receive only");
		set(PGM_RXW_SQNS, WINDOW, "window");
		set(PGM_PEER_EXPIRY, pgm_secs(60), "peer expiry");
		set(PGM_SPMR_EXPIRY, pgm_msecs(25), "spmr expiry");
		set(PGM_NAK_BO_IVL, pgm_msecs(2), "nak back-off");
		set(PGM_NAK_RPT_IVL, pgm_msecs(50), "nak repeat");
		set(PGM_NAK_RDATA_IVL, pgm_msecs(50), "nak rdata");
		set(PGM_NAK_DATA_RETRIES, 100, "retries");
		set(PGM_NAK_NCF_RETRIES, 100, "retries");
	}
	struct pgm_sockaddr_t address;
	memset(&address, 0, sizeof address);
	address.sa_port = 7500;
	if (!pgm_gsi_create_from_string(&address.sa_addr.gsi, argv[2], -1))
		fail("source identifier");
	struct pgm_interface_req_t interface;
	memset(&interface, 0, sizeof interface);
	interface.ir_interface = info->ai_recv_addrs[0].gsr_interface;
	if (!pgm_bind3(sock, &address, sizeof address, &interface, sizeof interface, &interface, sizeof interface, &e))
		fail(e ? e->message : "pgm_bind");
	for (unsigned i = 0; i < info->ai_recv_addrs_len; i++)
		if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_JOIN_GROUP, &info->ai_recv_addrs[i], sizeof(struct group_req)))
			fail("join");
	if (!pgm_setsockopt(sock, IPPROTO_PGM, PGM_SEND_GROUP, &info->ai_send_addrs[0], sizeof(struct group_req)))
		fail("send group");
	set(PGM_MULTICAST_LOOP, 0, "loop");
	set(PGM_MULTICAST_HOPS, 1, "hops");
	if (!pgm_setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer) || !pgm_setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer))
		fail("buffers");
	if (!pgm_connect(sock, &e))
		fail(e ? e->message : "pgm_connect");
}

/* rest waits as long as the library says, and for packets: option is
 * PGM_TIME_REMAIN or PGM_RATE_REMAIN. */
static void rest(int option, int receiving)
{
	struct timeval left = {0, 0};
	socklen_t length = sizeof left;
	pgm_getsockopt(sock, IPPROTO_PGM, option, &left, &length);
	struct timespec t = {left.tv_sec, left.tv_usec * 1000};
	struct pollfd fds[8];
	int n = 8;
	if (!receiving || pgm_poll_info(sock, fds, &n, POLLIN) < 0)
		n = 0;
	ppoll(fds, (nfds_t)n, &t, NULL);
}

/* serve answers requests for repair, in a thread of its own. */
static void *serve(void *unused)
{
	char p[4096];
	while (!ending) {
		size_t n;
		pgm_error_t *e = NULL;
		switch (pgm_recv(sock, p, sizeof p, 0, &n, &e)) {
		case PGM_IO_STATUS_TIMER_PENDING:
			rest(PGM_TIME_REMAIN, 1);
			break;
		case PGM_IO_STATUS_RATE_LIMITED:
			rest(PGM_RATE_REMAIN, 1);
			break;
		case PGM_IO_STATUS_WOULD_BLOCK: {
			struct pollfd fds[8];
			int k = 8;
			if (pgm_poll_info(sock, fds, &k, POLLIN) >= 0)
				poll(fds, (nfds_t)k, 50);
			break;
		}
		default:
			break;
		}
		if (e)
			pgm_error_free(e);
	}
	return unused;
}

static void send_one(const unsigned char *p, size_t size)
{
	for (;;) {
		size_t n;
		switch (pgm_send(sock, p, size, &n)) {
		case PGM_IO_STATUS_NORMAL:
			return;
		case PGM_IO_STATUS_RATE_LIMITED:
			rest(PGM_RATE_REMAIN, 0);
			break;
		case PGM_IO_STATUS_WOULD_BLOCK:
		case PGM_IO_STATUS_CONGESTION: {
			struct pollfd fds[8];
			int k = 8;
			if (pgm_poll_info(sock, fds, &k, POLLOUT) >= 0)
				poll(fds, (nfds_t)k, 1);
			break;
		}
		default:
			fail("pgm_send");
		}
	}
}

static void send_all(char **argv)
{
	uint64_t all = strtoull(argv[5], NULL, 10);
	size_t size = strtoul(argv[6], NULL, 10);
	unsigned char *p = malloc(size);
	pthread_t thread;
	char c;
	if (pthread_create(&thread, NULL, serve, NULL) != 0)
		fail("thread");
	memset(p, 0xff, size);
	for (int i = 0; i < 30; i++) {
		send_one(p, size);
		usleep(5000);
	}
	for (uint64_t i = 0; i < all; i++) {
		message_make(p, i, size);
		send_one(p, size);
	}
	while (read(0, &c, 1) > 0)
		;
	ending = 1;
	pthread_join(thread, NULL);
	puts("{}");
}

static void receive_all(char **argv)
{
	struct account a = {.all = strtoull(argv[5], NULL, 10), .size = strtoul(argv[6], NULL, 10)};
	unsigned char *p = malloc(65536);
	puts("listening");
	fflush(stdout);
	for (;;) {
		size_t n;
		pgm_error_t *e = NULL;
		switch (pgm_recv(sock, p, 65536, 0, &n, &e)) {
		case PGM_IO_STATUS_NORMAL:
			if (n != a.size)
				fail("a message of another size");
			if (message_number(p) != PREAMBLE && message_check(&a, p))
				return;
			break;
		case PGM_IO_STATUS_TIMER_PENDING:
			rest(PGM_TIME_REMAIN, 1);
			break;
		case PGM_IO_STATUS_RATE_LIMITED:
			rest(PGM_RATE_REMAIN, 1);
			break;
		case PGM_IO_STATUS_WOULD_BLOCK: {
			struct pollfd fds[8];
			int k = 8;
			if (pgm_poll_info(sock, fds, &k, POLLIN) >= 0)
				poll(fds, (nfds_t)k, 100);
			break;
		}
		case PGM_IO_STATUS_RESET:
			fail("data was lost for good");
		default:
			fail(e ? e->message : "pgm_recv");
		}
		if (e)
			pgm_error_free(e);
	}
}

static void pp_send(const unsigned char *p, size_t size) { send_one(p, size); }

static size_t pp_receive(unsigned char *p, size_t room, double until)
{
	for (;;) {
		size_t n = 0;
		pgm_error_t *e = NULL;
		struct timeval most = {0, 0};
		socklen_t length = sizeof most;
		switch (pgm_recv(sock, p, room, 0, &n, &e)) {
		case PGM_IO_STATUS_NORMAL:
			return n;
		case PGM_IO_STATUS_TIMER_PENDING:
			pgm_getsockopt(sock, IPPROTO_PGM, PGM_TIME_REMAIN, &most, &length);
			break;
		case PGM_IO_STATUS_RATE_LIMITED:
			pgm_getsockopt(sock, IPPROTO_PGM, PGM_RATE_REMAIN, &most, &length);
			break;
		case PGM_IO_STATUS_WOULD_BLOCK:
			most.tv_sec = 1;
			break;
		default:
			fail(e ? e->message : "pgm_recv");
		}
		if (e)
			pgm_error_free(e);
		double left = until - now(), timer = most.tv_sec + most.tv_usec / 1e6;
		if (left <= 0)
			return 0;
		if (timer < left)
			left = timer;
		struct timespec t = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
		struct pollfd fds[8];
		int k = 8;
		if (pgm_poll_info(sock, fds, &k, POLLIN) >= 0)
			ppoll(fds, (nfds_t)k, &t, NULL);
	}
}

int main(int argc, char **argv)
{
	block_fill();
	if (argc == 8 && strcmp(argv[1], "ping") == 0) {
		open_socket(argv);
		ping(strtoul(argv[5], NULL, 10), atof(argv[6]), atof(argv[7]));
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "pong") == 0) {
		open_socket(argv);
		pong();
	}
	int sending = argc == 8 && strcmp(argv[1], "send") == 0;
	if (!sending && (argc != 7 || strcmp(argv[1], "recv") != 0))
		fail("usage: openpgm send|recv ...");
	open_socket(argv);
	if (sending)
		send_all(argv);
	else
		receive_all(argv);
	return 0; /* without tidying up: the process ends */
}
