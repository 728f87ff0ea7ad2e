/* What all sides of the comparison know of the bytes on their way, as package
 * bulk has it: message i is its number, 8 bytes big-endian, and then a slice of
 * a block of 256 KiB made by SplitMix64. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCK 262144u
#define STRIDE 8168u

static unsigned char block[BLOCK];

static void block_fill(void)
{
	for (uint64_t i = 0; i < BLOCK / 8; i++) {
		uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;
		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		z ^= z >> 31;
		for (int b = 0; b < 8; b++)
			block[8 * i + b] = (unsigned char)(z >> 8 * b);
	}
}

static const unsigned char *slice(uint64_t i, size_t size)
{
	return block + i * STRIDE % (BLOCK - size);
}

static void message_make(unsigned char *p, uint64_t i, size_t size)
{
	memcpy(p, slice(i, size), size);
	for (int b = 0; b < 8; b++)
		p[b] = (unsigned char)(i >> (56 - 8 * b));
}

static uint64_t message_number(const unsigned char *p)
{
	uint64_t n = 0;
	for (int b = 0; b < 8; b++)
		n = n << 8 | p[b];
	return n;
}

static _Noreturn void fail(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* The receiver's account: time from the first message to the last. */
struct account {
	uint64_t next, all;
	size_t size;
	double first, last;
};

/* message_check takes the next message; it tells whether that was the last. */
static int message_check(struct account *a, const unsigned char *p)
{
	char why[96];
	if (message_number(p) != a->next || memcmp(p + 8, slice(a->next, a->size) + 8, a->size - 8) != 0) {
		snprintf(why, sizeof why, "message %llu is not what was sent, or lost", (unsigned long long)a->next);
		fail(why);
	}
	if (a->next++ == 0)
		a->first = now();
	if (a->next < a->all)
		return 0;
	a->last = now();
	printf("{\"Seconds\": %.9f, \"Bytes\": %llu, \"Messages\": %llu}\n", a->last - a->first,
	       (unsigned long long)((a->all - 1) * a->size), (unsigned long long)a->all);
	fflush(stdout);
	return 1;
}
