/*
 * What a decision of the core costs with 1 cell and with 1,000, in turns in
 * one run.  Prints lines "KIND CELLS NS", nanoseconds a decision, ROUNDS of
 * them for each kind of request and number of cells.  A round's figure is the
 * best of some samples: what else runs on the machine can only add to it.
 * usage: core_bench ROUNDS
 *
 * Each cell has permissions, an address and eight reserved ports of its own,
 * two of them ports that all cells have.  The cells take turns; in its turn a
 * cell makes sixteen requests in a row, as a process of it would that runs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define	_DEFAULT_SOURCE

#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sys/kauth.h>

#include "cell_core.h"

#define	NPORTS	8
#define	NASKED	16	/* requests in a turn */
#define	NTURNS	4096	/* turns in a sample */
#define	NSAMPLES 10	/* samples in a round, of each number of cells */
#define	NWISHES	(NTURNS * NASKED)
#define	LARGE	(2UL << 20)

struct cell {
	uint32_t		id;
	bool			dying;
	uint64_t		permissions;
	struct cell_policy	policy;
	struct cell_resv	resv[NPORTS];
};

struct world {
	struct cell		*cells;
	unsigned		n;
	struct cell_ports	ports;
};

static const struct request {
	unsigned	scope, action, request;
	uint32_t	facts;
} requests[NASKED] = {
	{ CELL_SCOPE_PROCESS, KAUTH_PROCESS_SIGNAL, 0, 0 },
	{ CELL_SCOPE_PROCESS, KAUTH_PROCESS_CANSEE, KAUTH_REQ_PROCESS_CANSEE_ENTRY,
	    CELL_IF_OTHER_CELL },
	{ CELL_SCOPE_PROCESS, KAUTH_PROCESS_FORK, 0, 0 },
	{ CELL_SCOPE_PROCESS, KAUTH_PROCESS_SETID, 0, 0 },
	{ CELL_SCOPE_PROCESS, KAUTH_PROCESS_PTRACE, 0, CELL_IF_PRIVILEGED },

	{ CELL_SCOPE_NETWORK, KAUTH_NETWORK_SOCKET, KAUTH_REQ_NETWORK_SOCKET_OPEN,
	    CELL_IF_INET_SOCKET },
	{ CELL_SCOPE_NETWORK, KAUTH_NETWORK_SOCKET, KAUTH_REQ_NETWORK_SOCKET_OPEN,
	    CELL_IF_RAW_SOCKET },
	{ CELL_SCOPE_NETWORK, KAUTH_NETWORK_SOCKET, KAUTH_REQ_NETWORK_SOCKET_CANSEE, 0 },
	{ CELL_SCOPE_NETWORK, KAUTH_NETWORK_INTERFACE, KAUTH_REQ_NETWORK_INTERFACE_GET, 0 },
	{ CELL_SCOPE_NETWORK, KAUTH_NETWORK_ROUTE, 0, 0 },

	{ CELL_SCOPE_DEVICE, KAUTH_DEVICE_RAWIO_SPEC, KAUTH_REQ_DEVICE_RAWIO_SPEC_READ,
	    CELL_IF_SAFE_DEVICE },
	{ CELL_SCOPE_DEVICE, KAUTH_DEVICE_RAWIO_SPEC, KAUTH_REQ_DEVICE_RAWIO_SPEC_RW, 0 },
	{ CELL_SCOPE_DEVICE, KAUTH_DEVICE_TTY_OPEN, 0, CELL_IF_SAFE_DEVICE },
	{ CELL_SCOPE_DEVICE, KAUTH_DEVICE_TTY_STI, 0, 0 },
	{ CELL_SCOPE_DEVICE, KAUTH_DEVICE_RND_ADDDATA, 0, 0 },

	{ CELL_SCOPE_NETWORK, KAUTH_NETWORK_BIND, 0, 0 }
};

/* Kinds of turns: which of the requests they are made of. */
static const struct kind {
	const char	*name;
	unsigned	first, n;
} kinds[] = {
	{ "mixed", 0, NASKED },
	{ "process", 0, 5 },
	{ "network", 5, 5 },
	{ "device", 10, 5 },
	{ "bind", 15, 1 }
};

#define	NKINDS	(sizeof(kinds) / sizeof(kinds[0]))

static uint32_t
chance(void)
{
	static uint32_t seed = 1;

	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

/* Kernels map their memory in large pages; so is this, where possible. */
static void *
large(size_t n)
{
	void *p;

	n = (n + LARGE - 1) / LARGE * LARGE;
	if (posix_memalign(&p, LARGE, n) != 0)
		exit(1);
#ifdef MADV_HUGEPAGE
	(void)madvise(p, n, MADV_HUGEPAGE);
#endif
	return memset(p, 0, n);
}

static void
add_port(struct cell *c, unsigned i, uint16_t port)
{
	struct cell_port *p = &c->policy.cp_ports[i];

	p->cp_port = port;
	p->cp_proto = CELL_PROTO_TCP;
	p->cp_family = CELL_FAMILY_IP4;
	memcpy(p->cp_addr, c->policy.cp_addresses[0].ca_addr, 16);
	c->policy.cp_nports = (uint16_t)(i + 1);
	c->resv[i].r_port = *p;
}

static void
make_cell(struct world *w, unsigned n)
{
	struct cell *c = &w->cells[n];
	struct cell_addr *ca = &c->policy.cp_addresses[0];
	unsigned i;

	c->id = n + 1;
	c->permissions = CELL_DEFAULTS_HIGH ^ chance() % CELL_PERM_ALL;
	c->policy.cp_network = CELL_NETWORK_ADDRESSES;
	c->policy.cp_naddresses = 1;
	ca->ca_family = CELL_FAMILY_IP4;
	ca->ca_addr[0] = 10;
	ca->ca_addr[2] = (uint8_t)(n >> 8);
	ca->ca_addr[3] = (uint8_t)n;
	add_port(c, 0, 80);
	add_port(c, 1, 443);
	for (i = 2; i < NPORTS; i++)
		add_port(c, i, (uint16_t)(1024 + chance() % 48000));
	if (cell_ports_reserve(&w->ports, c->resv, NPORTS, c->id) != 0)
		exit(1);
}

static struct world *
make_world(unsigned n)
{
	struct world *w = large(sizeof(*w));
	unsigned i;

	w->cells = large(n * sizeof(*w->cells));
	w->n = n;
	for (i = 0; i < n; i++)
		make_cell(w, i);
	return w;
}

/*
 * What is asked, turn after turn: no program asks the same things in the same
 * order again, so neither may this, or the processor learns it by heart.
 */
static struct wish {
	uint8_t		request;	/* index of requests */
	uint8_t		own;		/* a bind to this of its ports, or */
	uint16_t	port;		/* to another one */
} wishes[NKINDS][NWISHES];

static void
make_wishes(void)
{
	static const uint16_t others[] = { 25, 111, 3306, 8080 };
	struct wish *w;
	unsigned k, i, r;

	for (k = 0; k < NKINDS; k++)
		for (i = 0; i < NWISHES; i++) {
			w = &wishes[k][i];
			w->request = (uint8_t)(kinds[k].first +
			    chance() % kinds[k].n);
			r = chance() % 16;
			w->own = (uint8_t)r;
			w->port = r < 12 ? others[r % 4] :
			    (uint16_t)(49152 + chance() % 16384);
		}
}

static unsigned
bind_denied(const struct world *w, const struct cell *c,
    const struct wish *wish)
{
	struct cell_sock s;
	uint32_t facts;
	uint16_t port;

	port = wish->own < NPORTS ? c->policy.cp_ports[wish->own].cp_port :
	    wish->port;
	cell_sock_set(&s, CELL_FAMILY_IP4, CELL_PROTO_TCP, port,
	    c->policy.cp_addresses[0].ca_addr);
	facts = cell_bind_facts(&c->policy, &s);
	if (cell_ports_taken(&w->ports, &s, c->id, c->policy.cp_ports,
	    c->policy.cp_nports))
		facts |= CELL_IF_RESERVED_PORT;
	return cell_row_denies(cell_row(CELL_SCOPE_NETWORK, KAUTH_NETWORK_BIND,
	    port < 1024 ? KAUTH_REQ_NETWORK_BIND_PRIVPORT :
	    KAUTH_REQ_NETWORK_BIND_PORT, facts),
	    CELL_CALLER_MEMBER, c->dying, c->permissions);
}

static unsigned
turn(const struct world *w, const struct cell *c, const struct wish *wish)
{
	const struct wish *end = wish + NASKED;
	const struct request *q;
	unsigned denied = 0;

	for (; wish < end; wish++) {
		q = &requests[wish->request];
		if (q == &requests[NASKED - 1])
			denied += bind_denied(w, c, wish);
		else
			denied += cell_row_denies(cell_row(q->scope,
			    q->action, q->request, q->facts),
			    CELL_CALLER_MEMBER, c->dying, c->permissions);
	}
	return denied;
}

/* Kept, so that no decision is left out. */
static volatile unsigned all_denied;

/* Nanoseconds a decision, or less if so far there was less. */
static double
sample(const struct world *w, unsigned k, double best)
{
	struct timespec a, b;
	unsigned i, denied = 0;
	double ns;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < NTURNS; i++)
		denied += turn(w, &w->cells[i % w->n],
		    &wishes[k][i * NASKED]);
	clock_gettime(CLOCK_MONOTONIC, &b);
	all_denied += denied;
	ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	    (double)(b.tv_nsec - a.tv_nsec)) / (NTURNS * NASKED);
	return ns < best ? ns : best;
}

static void
measure(const struct world *one, const struct world *thousand, unsigned k)
{
	double a = 1e9, b = 1e9;
	unsigned i;

	for (i = 0; i < NSAMPLES; i++) {
		a = sample(one, k, a);
		b = sample(thousand, k, b);
	}
	printf("%s %u %.3f\n", kinds[k].name, one->n, a);
	printf("%s %u %.3f\n", kinds[k].name, thousand->n, b);
}

int
main(int argc, char **argv)
{
	struct world *one, *thousand;
	int round, rounds;
	unsigned k;

	rounds = argc == 2 ? atoi(argv[1]) : 0;
	if (rounds <= 0) {
		fprintf(stderr, "usage: core_bench ROUNDS\n");
		return 1;
	}
	make_wishes();
	one = make_world(1);
	thousand = make_world(1000);
	for (round = 0; round < rounds; round++)
		for (k = 0; k < NKINDS; k++)
			measure(one, thousand, k);
	return 0;
}
