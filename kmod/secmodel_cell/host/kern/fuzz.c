/*
 * Cases: requests to every sysctl node that no program would make.
 *
 * The requests are made of a seed, so that a run can be repeated:
 * HARNESS_SEED is the seed, HARNESS_ROUNDS the number of requests.  The words
 * of a request are often good ones, or the run would never get far; its
 * buffers lie in memory of exactly their size.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"
#include "host.h"

static uint64_t	seed;

static uint32_t
some(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* A request as it should be, of any node. */
union request {
	uint32_t		id;
	struct cell_create	create;
	struct cell_policy	policy;
	struct cell_kill	kill;
	char			bytes[2048];
};

static size_t
good_create(union request *r)
{
	struct cell_create *cc = &r->create;

	cc->cc_flags = some(2);
	cc->cc_profile = some(3);
	if (some(2) == 0) {
		cc->cc_flags |= CELL_CREATE_PORTS;
		cc->cc_nports = 1;
		cc->cc_ports[0] = (uint16_t)(80 + some(3));
	}
	snprintf(cc->cc_name, sizeof(cc->cc_name), "c%u", some(5));
	snprintf(cc->cc_root, sizeof(cc->cc_root), some(8) == 0 ? "/none" :
	    some(8) == 0 ? "/file" : "/%u", some(4));
	return sizeof(*cc);
}

static size_t
good_policy(union request *r, uint32_t id)
{
	struct cell_policy *cp = &r->policy;

	cp->cp_id = id;
	cp->cp_network = some(3);
	cp->cp_permissions = some(2) << some(20);
	cp->cp_maxprocs = some(3);
	if (cp->cp_network == CELL_NETWORK_ADDRESSES) {
		cp->cp_naddresses = 1;
		cp->cp_addresses[0].ca_family = CELL_FAMILY_IP4;
		cp->cp_addresses[0].ca_addr[0] = 10;
	}
	if (some(2) == 0) {
		cp->cp_nports = 1;
		cp->cp_ports[0].cp_port = (uint16_t)(80 + some(3));
	}
	if (some(3) == 0)
		return CELL_POLICY_SIZE_2;
	if (some(2) == 0) {
		cp->cp_ndevices = 1;
		cp->cp_devices[0].cd_type = (uint8_t)some(4);
		cp->cp_devices[0].cd_minor = some(3);
	}
	return sizeof(*cp);
}

static size_t
good_request(union request *r, const char *node)
{
	const uint32_t id = some(12);

	memset(r, 0, sizeof(*r));
	if (strcmp(node, "create") == 0)
		return good_create(r);
	if (strcmp(node, "policy") == 0 && some(3) != 0)
		return good_policy(r, id);
	if (strcmp(node, "kill") == 0) {
		r->kill.ck_id = id;
		r->kill.ck_signal = (int32_t)some(NSIG + 2) - 1;
		return sizeof(r->kill);
	}
	r->id = id;
	return sizeof(r->id);
}

/* Breaks it in some place, or in none. */
static size_t
worsen(union request *r, size_t n)
{
	u_int i;

	switch (some(4)) {
	case 0:
		for (i = some(8); i > 0; i--)
			r->bytes[some((uint32_t)n)] = (char)some(256);
		return n;
	case 1:
		return some(4) == 0 ? some(sizeof(*r)) : n + some(3) - 1;
	default:
		return n;
	}
}

/* A reply of what nobody has written is a leak of the kernel's memory. */
static void
no_junk(const char *node, const char *reply, size_t n)
{
	size_t i, run = 0;

	for (i = 0; i < n; i++) {
		run = (u_char)reply[i] == HARNESS_JUNK ||
		    (u_char)reply[i] == 0xfe ? run + 1 : 0;
		CHECK(run < 4, "%s replies with unset bytes at %zu", node, i);
		if (run >= 4)
			return;
	}
}

static void
request(const char *node)
{
	union request r;
	size_t newlen = worsen(&r, good_request(&r, node));
	size_t oldlen = some(4) == 0 ? some(2000) : 2000, given = oldlen;
	char *new = host_alloc(newlen + 1), *old = host_alloc(oldlen + 1);
	bool ask = some(5) != 0, tell = some(5) != 0;
	int error;

	memcpy(new, &r, newlen);
	memset(old, 0, oldlen);
	harness_names_behind = some(8) == 0 ? 2 : 0;
	/* Both are in user memory, or nothing is. */
	kern_user_memory(some(16) == 0 ? "" : NULL, 0);
	error = kern_sysctl(curlwp, node, tell ? old : NULL, &oldlen,
	    ask ? new : NULL, newlen);
	kern_user_memory(NULL, 0);
	harness_names_behind = 0;
	if (error == 0 && tell)
		no_junk(node, old, MIN(given, oldlen));
	CHECK(error >= 0 && error < 100, "%s: error %d", node, error);
	host_free(new);
	host_free(old);
}

/*
 * Who asks: root, a user, members.  A root that has entered a cell by a
 * request of the run ends, and another one comes.
 */
enum { ROOT, INSIDE, USER, MEMBER, PEOPLE };
static struct lwp *people[PEOPLE];

static void
newcomer(int i)
{
	people[i] = kern_host_user(i == USER ? 1000 : 0);
	if (i == INSIDE) {
		as(people[i]);
		(void)kern_chroot(curlwp, &harness_roots[some(4)]);
		as(root);
	}
}

/* With a few of its own, so that cells run, are full, and are killed. */
static void
live(struct lwp *l)
{
	struct lwp *c;

	if ((c = spawn(l)) != NULL) {
		as(root);
		end(c, 0);
	}
	as(root);
}

static void
destroy_all(void)
{
	struct cell_info infos[16];
	size_t n = __arraycount(infos), i;

	EXPECT(cells_list(infos, &n), 0);
	for (i = 0; i < n; i++)
		EXPECT(cells_destroy(infos[i].ci_id), 0);
}

static void
nodes(void)
{
	u_int rounds = harness_number("HARNESS_ROUNDS", 20000), i, count = 0;
	uint32_t id;
	u_int who;

	seed = 0x9e3779b97f4a7c15U ^ harness_number("HARNESS_SEED", 1);
	while (kern_sysctl_name(count) != NULL)
		count++;
	id = cells_new(7, PROFILE_HIGH);
	people[MEMBER] = cells_member(id, 7);
	newcomer(ROOT);
	newcomer(INSIDE);
	newcomer(USER);
	for (i = 0; i < rounds; i++) {
		who = some(4) != 0 ? some(2) : some(PEOPLE);
		as(people[who]);
		request(kern_sysctl_name(some(count)));
		as(root);
		live(people[who]);
		if (who != MEMBER && some(6) == 0) {
			end(people[who], 0);
			newcomer((int)who);
		}
	}
	for (who = 0; who < PEOPLE; who++)
		end(people[who], 0);
	destroy_all();
}

/* A user of the host and a member change nothing, whatever they write. */
static void
strangers(void)
{
	u_int rounds = harness_number("HARNESS_ROUNDS", 20000) / 4, i;
	uint32_t id = cells_new(7, PROFILE_HIGH);
	struct cell_policy before, after;
	struct cell_info infos[2];
	size_t n = __arraycount(infos);
	u_int count = 0;

	seed = 0x9e3779b97f4a7c15U ^ harness_number("HARNESS_SEED", 2);
	while (kern_sysctl_name(count) != NULL)
		count++;
	EXPECT(cells_policy_of(id, &before), 0);
	people[USER] = kern_host_user(1000);
	people[MEMBER] = cells_member(id, 7);
	for (i = 0; i < rounds; i++) {
		as(people[some(2) == 0 ? USER : MEMBER]);
		request(kern_sysctl_name(some(count)));
	}
	as(root);
	EXPECT(cells_list(infos, &n), 0);
	CHECK(n == 1 && infos[0].ci_proc_current == 1, "%zu cells", n);
	EXPECT(cells_policy_of(id, &after), 0);
	CHECK(memcmp(&before, &after, sizeof(before)) == 0, "the policy");
	end(people[USER], 0);
	end(people[MEMBER], 0);
	EXPECT(cells_destroy(id), 0);
}

const struct harness_case fuzz_cases[] = {
	{ "fuzz/nodes", nodes, false, NULL },
	{ "fuzz/strangers", strangers, false, NULL },
	{ NULL, NULL, false, NULL },
};
