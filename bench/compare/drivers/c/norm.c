/* Moves bytes with NORM (RFC 5740) as libnorm has it: one stream, a rate set by
 * hand, its flow control by acknowledged watermarks.
 *
 *   norm send INTERFACE GROUP PORT MESSAGES SIZE RATE_BITS PARITY LEAVES
 *   norm recv INTERFACE GROUP PORT MESSAGES SIZE ID
 *   norm ping INTERFACE GROUP PORT SIZE RATE SECONDS
 *   norm pong INTERFACE GROUP PORT
 *
 * Nodes are 1, the sender, and 2, 3, ... the receivers. A receiver says that it
 * listens, and later what it got; then it goes on until its input ends, because
 * the sender still wants its acknowledgement. */
#include <normApi.h>
#include <poll.h>
#include <unistd.h>

#include "content.h"
#include "pingpong.h"

#define BUFFER (16u << 20)
#define SEGMENT 1400

static NormInstanceHandle instance;
static NormSessionHandle session;

static void open_session(char **argv, unsigned id)
{
	instance = NormCreateInstance(false);
	if (instance == NORM_INSTANCE_INVALID)
		fail("no NORM instance");
	session = NormCreateSession(instance, argv[3], (unsigned short)atoi(argv[4]), id);
	if (session == NORM_SESSION_INVALID)
		fail("no NORM session");
	NormSetMulticastInterface(session, argv[2]);
	NormSetTTL(session, 1);
	NormSetGrttEstimate(session, 0.002);
	NormSetGrttProbingMode(session, NORM_PROBE_NONE);
	NormSetBackoffFactor(session, 1.0);
	NormSetGroupSize(session, 4);
}

static void send_all(char **argv)
{
	uint64_t all = strtoull(argv[5], NULL, 10), i = 0;
	size_t size = strtoul(argv[6], NULL, 10), done = size;
	int parity = atoi(argv[8]);
	open_session(argv, 1);
	NormSetCongestionControl(session, false, false);
	NormSetTxRate(session, atof(argv[7]));
	for (int leaf = 0; leaf < atoi(argv[9]); leaf++)
		NormAddAckingNode(session, 2 + leaf);
	if (!NormStartSender(session, 1, BUFFER, SEGMENT, 64, (UINT16)parity, 0))
		fail("NormStartSender");
	NormSetTxSocketBuffer(session, 4u << 20);
	NormObjectHandle stream = NormStreamOpen(session, BUFFER, NULL, 0);
	if (stream == NORM_OBJECT_INVALID)
		fail("NormStreamOpen");
	unsigned char *message = malloc(size);
	uint64_t room = (uint64_t)NormGetStreamBufferSegmentCount(BUFFER, SEGMENT, 64) * SEGMENT;
	uint64_t unacked = 0, marked = 0; /* bytes not acknowledged, and up to the watermark */
	room -= 64 * SEGMENT;
	for (int finished = 0; !finished || unacked > 0;) {
		while (!finished && unacked < room) {
			if (done == size) {
				if (i == all) {
					NormStreamFlush(stream, true, NORM_FLUSH_ACTIVE);
					finished = 1;
					break;
				}
				message_make(message, i++, size);
				done = 0;
			}
			unsigned want = (unsigned)(size - done);
			if (want > room - unacked)
				want = (unsigned)(room - unacked);
			unsigned took = NormStreamWrite(stream, (char *)message + done, want);
			done += took;
			unacked += took;
			if (took < want)
				break; /* its own buffer is full: it sends */
			if (marked == 0 && unacked >= room / 4) {
				NormSetWatermark(session, stream, true);
				marked = unacked;
			}
		}
		if (marked == 0 && unacked > 0 && (finished || unacked >= room / 4)) {
			NormSetWatermark(session, stream, true);
			marked = unacked;
		}
		NormEvent event;
		if (!NormGetNextEvent(instance, &event, true) || event.type != NORM_TX_WATERMARK_COMPLETED)
			continue;
		if (NormGetAckingStatus(session, NORM_NODE_ANY) == NORM_ACK_SUCCESS) {
			unacked -= marked;
			marked = 0;
		} else {
			NormResetWatermark(session); /* ask again */
		}
	}
	puts("{}");
}

static void receive_all(char **argv)
{
	struct account a = {.all = strtoull(argv[5], NULL, 10), .size = strtoul(argv[6], NULL, 10)};
	size_t have = 0;
	int over = 0;
	char *message = malloc(a.size);
	open_session(argv, (unsigned)atoi(argv[7]));
	NormSetDefaultSyncPolicy(session, NORM_SYNC_STREAM);
	if (!NormStartReceiver(session, BUFFER))
		fail("NormStartReceiver");
	NormSetRxSocketBuffer(session, 4u << 20);
	puts("listening");
	fflush(stdout);
	struct pollfd fds[2] = {{NormGetDescriptor(instance), POLLIN, 0}, {0, POLLIN, 0}};
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			fail("poll");
		if (fds[1].revents)
			return; /* the end of the input */
		NormEvent event;
		if (!NormGetNextEvent(instance, &event, false))
			continue;
		if (event.type == NORM_RX_OBJECT_ABORTED)
			fail("the stream was aborted");
		if (event.type != NORM_RX_OBJECT_UPDATED || over)
			continue;
		for (;;) {
			unsigned n = (unsigned)(a.size - have);
			if (!NormStreamRead(event.object, message + have, &n))
				fail("the stream has a break");
			if (n == 0)
				break;
			if ((have += n) < a.size)
				continue;
			have = 0;
			if ((over = message_check(&a, (unsigned char *)message)))
				break;
		}
	}
}

/* Ping-pong: both are sender and receiver, each with a stream that is flushed
 * after every message. */
static NormObjectHandle mine;

static void open_both(char **argv, unsigned id)
{
	open_session(argv, id);
	NormSetCongestionControl(session, false, false);
	NormSetTxRate(session, 1e9);
	NormSetDefaultSyncPolicy(session, NORM_SYNC_STREAM);
	if (!NormStartReceiver(session, 1u << 20) || !NormStartSender(session, id, 1u << 20, SEGMENT, 64, 0, 0))
		fail("NormStartSender");
	mine = NormStreamOpen(session, 1u << 20, NULL, 0);
	if (mine == NORM_OBJECT_INVALID)
		fail("NormStreamOpen");
	NormStreamSetPushEnable(mine, true);
}

static void pp_send(const unsigned char *p, size_t size)
{
	size_t done = 0;
	while (done < size)
		done += NormStreamWrite(mine, (char *)p + done, (unsigned)(size - done));
	NormStreamFlush(mine, true, NORM_FLUSH_PASSIVE);
}

static size_t pp_receive(unsigned char *p, size_t room, double until)
{
	static NormObjectHandle from;
	static int readable;
	struct pollfd fd = {NormGetDescriptor(instance), POLLIN, 0};
	for (;;) {
		/* A message is 64 bytes, say, and a read gives what is there: all of one. */
		if (readable) {
			unsigned n = (unsigned)room;
			if (!NormStreamRead(from, (char *)p, &n))
				fail("the stream has a break");
			if (n > 0)
				return n;
			readable = 0;
		}
		double left = until - now();
		if (left <= 0)
			return 0;
		struct timespec t = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
		if (ppoll(&fd, 1, &t, NULL) <= 0)
			continue;
		NormEvent event;
		if (!NormGetNextEvent(instance, &event, false))
			continue;
		if (event.type == NORM_RX_OBJECT_ABORTED)
			fail("the stream was aborted");
		if (event.type == NORM_RX_OBJECT_UPDATED) {
			from = event.object;
			readable = 1;
		}
	}
}

int main(int argc, char **argv)
{
	block_fill();
	if (argc == 8 && strcmp(argv[1], "ping") == 0) {
		open_both(argv, 1);
		ping(strtoul(argv[5], NULL, 10), atof(argv[6]), atof(argv[7]));
		return 0;
	}
	if (argc == 5 && strcmp(argv[1], "pong") == 0) {
		open_both(argv, 2);
		pong();
	}
	if (argc == 10 && strcmp(argv[1], "send") == 0)
		send_all(argv);
	else if (argc == 8 && strcmp(argv[1], "recv") == 0)
		receive_all(argv);
	else
		fail("usage: norm send|recv ...");
	return 0; /* without tidying up: the process ends */
}
