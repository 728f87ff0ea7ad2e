/* Round trips, as the program pingpong of bench makes them with other ways: one
 * at a time, at most so many a second. A driver gives pp_send, which sends a
 * message at once, and pp_receive, which waits for one until a time and tells its
 * size, or 0. */
#include <sys/prctl.h>
#include <sys/resource.h>

#define PATIENCE 0.2 /* s, for an answer; then it is lost */
#define WARM 0.1     /* s, of a run, not measured */

static void pp_send(const unsigned char *p, size_t size);
static size_t pp_receive(unsigned char *p, size_t room, double until);

static double processor(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void until(double when)
{
	for (double left; (left = when - now()) > 0;) {
		struct timespec t = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
		nanosleep(&t, NULL);
	}
}

/* pong sends back what comes; it ends when it is killed. */
static void pong(void)
{
	unsigned char p[2048];
	puts("listening");
	fflush(stdout);
	for (;;) {
		size_t n = pp_receive(p, sizeof p, now() + 1);
		if (n > 0)
			pp_send(p, n);
	}
}

/* ping prints the round trips in nanoseconds. Before it begins it waits for the
 * other side's first answer, for 5 s. */
static void ping(size_t size, double rate, double seconds)
{
	static unsigned char p[2048], back[2048];
	unsigned char zero[8] = {0};
	long *trips = malloc(sizeof *trips * ((size_t)(rate * seconds) + 2));
	unsigned long n = 0, late = 0, lost = 0;
	double start = now(), from, cpu = 0, began = 0, next;
	prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
	memset(p, 0xff, size);
	for (int there = 0; !there;) {
		if (now() > start + 5)
			fail("no answer in 5 s");
		pp_send(p, size);
		there = pp_receive(back, sizeof back, now() + 0.05) == size;
	}
	while (pp_receive(back, sizeof back, now() + 0.05) > 0)
		;
	next = now();
	from = next + WARM;
	for (uint64_t i = 0;; i++) {
		until(next);
		double sent = now();
		if (sent - from >= seconds)
			break;
		int measured = sent >= from, came = 0;
		if (measured && n + lost == 0) {
			cpu = processor();
			began = sent = now();
		}
		memcpy(p, zero, 8);
		for (int b = 0; b < 8; b++)
			p[b] = (unsigned char)(i >> (56 - 8 * b));
		pp_send(p, size);
		for (;;) {
			size_t got = pp_receive(back, sizeof back, sent + PATIENCE);
			if (got == 0)
				break;
			if (got != size)
				fail("an answer of another size");
			if ((came = message_number(back) == i))
				break;
		}
		double done = now();
		if (measured && came)
			trips[n++] = (long)((done - sent) * 1e9);
		else if (measured)
			lost++;
		for (next += 1 / rate; next < done; next += 1 / rate)
			late += (unsigned)measured;
	}
	double took = now() - began;
	printf("{\"Late\": %lu, \"Lost\": %lu, \"Seconds\": %.9f, \"CPU\": %.6f, \"Trips\": [", late, lost, took, processor() - cpu);
	for (unsigned long i = 0; i < n; i++)
		printf(i ? ",%ld" : "%ld", trips[i]);
	puts("]}");
	fflush(stdout);
}
