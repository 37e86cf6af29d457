/*
 * Asks the decision core what a test wants to know.  Questions come in on
 * stdin: a head, and what the kind of question adds to it.  Each gets one
 * answer on stdout; OP_FLUSH has none, but sends off those before it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cell_core.h"

enum op {
	OP_FLUSH, OP_DECIDE, OP_ASKED, OP_PROFILE, OP_CREATE, OP_POLICY,
	OP_SOCK, OP_BIND, OP_RESERVE, OP_RELEASE, OP_TAKEN, OP_RESET,
	OP_OVERLAP
};

struct head {
	uint32_t	op, a, b, c;
	uint64_t	d, e;
};

struct answer {
	uint64_t		value;
	struct cell_sock	sock;
	uint32_t		zero;
};

#define	NSETS	4096

/* The sets of reservations that tests name by number. */
static struct {
	struct cell_resv	*resv;
	unsigned		n;
} sets[NSETS];

static struct cell_ports ports;

/* What an owner has at most; and the mark of what could not be reserved. */
#define	NOWN	256
static struct cell_resv unreserved;

static void
die(const char *why)
{
	fprintf(stderr, "core_host: %s\n", why);
	exit(1);
}

static void
get(void *p, size_t n)
{
	if (fread(p, n, 1, stdin) != 1)
		die("a question is cut off");
}

/*
 * a: scope, b: caller, c: facts, d: permissions, e: request and gone; then the
 * action.  Of a set of bits the first one's row is given.
 */
static void
decide(const struct head *h, struct answer *r)
{
	const struct cell_row *row;
	uint64_t action;

	get(&action, sizeof(action));
	row = h->a == CELL_SCOPE_VNODE ? cell_row_vnode(&action, h->c) :
	    cell_row(h->a, action, (uintptr_t)(h->e & 0xffffffff), h->c);
	r->value = (uint64_t)row->cr_class << 16 |
	    (uint64_t)row->cr_scope << 8 |
	    cell_row_denies(row, (enum cell_caller)h->b, h->e >> 32 != 0, h->d);
}

/* a: family, b: protocol, c: port, e: no address; then the address. */
static void
sock(const struct head *h, struct cell_sock *s)
{
	uint8_t addr[16], *exact;
	size_t n = h->a == CELL_FAMILY_IP4 ? 4 : 16;

	/* Of its exact size, so that a look beyond it is noticed. */
	get(addr, sizeof(addr));
	if ((exact = malloc(n)) == NULL)
		die("no memory");
	memcpy(exact, addr, n);
	cell_sock_set(s, h->a, h->b, (uint16_t)h->c,
	    h->e != 0 ? NULL : exact);
	free(exact);
}

/* a: set, b: owner, c: how many; then that many ports. */
static void
reserve(const struct head *h, struct answer *r)
{
	unsigned i;

	if (h->a >= NSETS || sets[h->a].resv != NULL)
		die("no such set, or it is in use");
	sets[h->a].n = h->c;
	sets[h->a].resv = calloc(h->c, sizeof(struct cell_resv));
	if (sets[h->a].resv == NULL)
		die("no memory");
	for (i = 0; i < h->c; i++)
		get(&sets[h->a].resv[i].r_port, sizeof(struct cell_port));
	r->value = (uint64_t)cell_ports_reserve(&ports, sets[h->a].resv, h->c,
	    h->b);
	for (i = 0; i < h->c && r->value != 0; i++)
		sets[h->a].resv[i].r_next = &unreserved;
}

/* a: set.  Releasing what could not be reserved does nothing. */
static void
release(uint32_t set)
{
	unsigned i;

	if (set >= NSETS || sets[set].resv == NULL)
		die("no such set");
	cell_ports_release(&ports, sets[set].resv, sets[set].n);
	for (i = 0; i < sets[set].n; i++)
		cell_ports_unmark(&ports, sets[set].resv[i].r_port.cp_port);
	free(sets[set].resv);
	sets[set].resv = NULL;
}

/*
 * The same answer with self's own reservations at hand, and without: bit 1 and
 * bit 2.  d: self.
 */
static void
taken(const struct head *h, struct answer *r)
{
	struct cell_port own[NOWN];
	unsigned i, j, n = 0;

	for (i = 0; i < NSETS; i++)
		for (j = 0; sets[i].resv != NULL && j < sets[i].n; j++)
			if (sets[i].resv[j].r_next != &unreserved &&
			    sets[i].resv[j].r_owner == (uint32_t)h->d &&
			    n < NOWN)
				own[n++] = sets[i].resv[j].r_port;
	r->value = (uint64_t)cell_ports_taken(&ports, &r->sock,
	    (uint32_t)h->d, NULL, 0) << 2 |
	    (uint64_t)cell_ports_taken(&ports, &r->sock, (uint32_t)h->d, own,
	    n) << 1 | cell_ports_marked(&ports, r->sock.s_port);
}

/* d: bit 0 and 1: the first and the second take no IPv4; then the second. */
static void
overlap(const struct head *h, struct answer *r)
{
	struct head other;
	struct cell_sock t;

	get(&other, sizeof(other));
	sock(&other, &t);
	r->value = cell_sock_overlaps(&r->sock, (h->d & 1) != 0, &t,
	    (h->d & 2) != 0);
}

/* Also tells whether anything is left behind. */
static void
reset(struct answer *r)
{
	static const struct cell_ports empty;
	uint32_t i;

	for (i = 0; i < NSETS; i++)
		if (sets[i].resv != NULL)
			release(i);
	r->value = memcmp(&ports, &empty, sizeof(ports)) != 0;
}

static void
ask(const struct head *h, struct answer *r)
{
	struct cell_create create;
	struct cell_policy policy;

	switch (h->op) {
	case OP_FLUSH:
		break;
	case OP_DECIDE:
		decide(h, r);
		return;
	case OP_ASKED:
		r->value = cell_vnode_asked();
		return;
	case OP_PROFILE:
		r->value = cell_profile_permissions(h->a);
		return;
	case OP_CREATE:
		get(&create, sizeof(create));
		r->value = (uint64_t)cell_create_check(&create);
		return;
	case OP_POLICY:
		get(&policy, sizeof(policy));
		r->value = (uint64_t)cell_policy_check(&policy);
		return;
	case OP_SOCK:
		sock(h, &r->sock);
		r->value = cell_sock_wildcard(&r->sock);
		return;
	case OP_BIND:
		sock(h, &r->sock);
		get(&policy, sizeof(policy));
		r->value = cell_bind_facts(&policy, &r->sock);
		return;
	case OP_RESERVE:
		reserve(h, r);
		return;
	case OP_RELEASE:
		release(h->a);
		return;
	case OP_TAKEN:
		sock(h, &r->sock);
		taken(h, r);
		return;
	case OP_OVERLAP:
		sock(h, &r->sock);
		overlap(h, r);
		return;
	case OP_RESET:
		reset(r);
		return;
	default:
		die("no such question");
	}
}

int
main(void)
{
	struct head h;
	struct answer r;

	while (fread(&h, sizeof(h), 1, stdin) == 1) {
		memset(&r, 0, sizeof(r));
		ask(&h, &r);
		if (h.op == OP_FLUSH)
			fflush(stdout);
		else
			fwrite(&r, sizeof(r), 1, stdout);
	}
	return 0;
}
