/* Moves messages with ZeroMQ over epgm, which is OpenPGM over UDP inside libzmq:
 * PUB and SUB, at a rate set by hand. It has no flow control: what a receiver does
 * not keep up with is lost to it when the recovery interval has passed, and PUB
 * drops what its own queue has no room for, so that queue has no limit here.
 *
 *   epgm send ADDRESS GROUP PORT MESSAGES SIZE RATE_BITS
 *   epgm recv ADDRESS GROUP PORT MESSAGES SIZE
 *   epgm ping ADDRESS GROUP PORT SIZE RATE SECONDS
 *   epgm pong ADDRESS GROUP PORT
 *
 * A receiver says that it listens, and later what it got. The sender goes on
 * repairing until its input ends. Messages of preamble go ahead, because a
 * receiver asks for nothing that lies before the first packet that it hears.
 * Ping-pong uses PORT one way and PORT + 1 the other. */
#include <unistd.h>
#include <zmq.h>

#include "content.h"
#include "pingpong.h"

#define PREAMBLE UINT64_MAX

static void *context, *out, *in;

static void set(void *s, int option, int value)
{
	if (zmq_setsockopt(s, option, &value, sizeof value) != 0)
		fail(zmq_strerror(zmq_errno()));
}

static void *open_socket(char **argv, int type, int port, double bits)
{
	char endpoint[128];
	if (!context)
		context = zmq_ctx_new();
	void *s = zmq_socket(context, type);
	if (!s)
		fail("zmq_socket");
	set(s, ZMQ_RATE, (int)(bits / 1000));
	set(s, ZMQ_RECOVERY_IVL, 500);
	set(s, ZMQ_MULTICAST_HOPS, 1);
	set(s, ZMQ_SNDHWM, 0);
	set(s, ZMQ_RCVHWM, 0);
	set(s, ZMQ_SNDBUF, 4 << 20);
	set(s, ZMQ_RCVBUF, 4 << 20);
	set(s, ZMQ_LINGER, 0);
	if (type == ZMQ_SUB && zmq_setsockopt(s, ZMQ_SUBSCRIBE, "", 0) != 0)
		fail("subscribe");
	snprintf(endpoint, sizeof endpoint, "epgm://%s;%s:%d", argv[2], argv[3], port);
	if (zmq_connect(s, endpoint) != 0)
		fail(zmq_strerror(zmq_errno()));
	return s;
}

static void pp_send(const unsigned char *p, size_t size)
{
	if (zmq_send(out, p, size, 0) < 0)
		fail("zmq_send");
}

static size_t pp_receive(unsigned char *p, size_t room, double until)
{
	for (;;) {
		double left = until - now();
		zmq_pollitem_t item = {in, 0, ZMQ_POLLIN, 0};
		if (left <= 0)
			return 0;
		if (zmq_poll(&item, 1, (long)(left * 1000) + 1) <= 0)
			continue;
		int n = zmq_recv(in, p, room, ZMQ_DONTWAIT);
		if (n > 0)
			return (size_t)n;
	}
}

/* send_all keeps to the rate itself, a little below what the library is told,
 * so that its queue stays short. */
static void send_all(char **argv)
{
	uint64_t all = strtoull(argv[5], NULL, 10);
	size_t size = strtoul(argv[6], NULL, 10);
	double bits = atof(argv[7]), start;
	unsigned char *p = malloc(size);
	char c;
	out = open_socket(argv, ZMQ_PUB, atoi(argv[4]), bits * 1.1);
	memset(p, 0xff, size);
	for (int i = 0; i < 30; i++) {
		pp_send(p, size);
		usleep(5000);
	}
	start = now();
	for (uint64_t i = 0; i < all; i++) {
		message_make(p, i, size);
		pp_send(p, size);
		if (i % 32 == 31)
			until(start + (i + 1) * size * 8 / bits);
	}
	while (read(0, &c, 1) > 0)
		;
	puts("{}");
}

static void receive_all(char **argv)
{
	struct account a = {.all = strtoull(argv[5], NULL, 10), .size = strtoul(argv[6], NULL, 10)};
	unsigned char *p = malloc(65536);
	in = open_socket(argv, ZMQ_SUB, atoi(argv[4]), 1e9);
	puts("listening");
	fflush(stdout);
	for (;;) {
		int n = zmq_recv(in, p, 65536, 0);
		if (n < 0)
			fail("zmq_recv");
		if ((size_t)n != a.size)
			fail("a message of another size");
		if (message_number(p) != PREAMBLE && message_check(&a, p))
			return;
	}
}

int main(int argc, char **argv)
{
	block_fill();
	if (argc == 8 && strcmp(argv[1], "ping") == 0) {
		out = open_socket(argv, ZMQ_PUB, atoi(argv[4]), 1e9);
		in = open_socket(argv, ZMQ_SUB, atoi(argv[4]) + 1, 1e9);
		ping(strtoul(argv[5], NULL, 10), atof(argv[6]), atof(argv[7]));
	} else if (argc == 5 && strcmp(argv[1], "pong") == 0) {
		in = open_socket(argv, ZMQ_SUB, atoi(argv[4]), 1e9);
		out = open_socket(argv, ZMQ_PUB, atoi(argv[4]) + 1, 1e9);
		pong();
	} else if (argc == 8 && strcmp(argv[1], "send") == 0) {
		send_all(argv);
	} else if (argc == 7 && strcmp(argv[1], "recv") == 0) {
		receive_all(argv);
	} else {
		fail("usage: epgm send|recv|ping|pong ...");
	}
	return 0; /* without tidying up: the process ends */
}
