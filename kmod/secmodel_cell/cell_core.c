/*
 * The decisions of secmodel_cell; see cell_core.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifdef _KERNEL
#include <sys/param.h>
#include <sys/systm.h>
#include <sys/errno.h>
#else
#include <errno.h>
#include <stddef.h>
#include <string.h>
#endif

#include "cell_core.h"

#define	CORE_COUNT(a)	(sizeof(a) / sizeof((a)[0]))

bool
cell_row_denies(const struct cell_row *row, enum cell_caller caller, bool gone,
    uint64_t permissions)
{
	if (caller == CELL_CALLER_ROOT)
		return false;
	if (row->cr_crosses)
		return true;
	if (caller == CELL_CALLER_USER)
		return false;
	if (gone || row->cr_opens == CELL_OPENS_NEVER)
		return true;
	if (row->cr_opens == CELL_OPENS_ALWAYS)
		return false;
	return (permissions >> row->cr_opens & 1) == 0;
}

uint64_t
cell_profile_permissions(uint32_t profile)
{
	switch (profile) {
	case CELL_PROFILE_LOW:
		return CELL_DEFAULTS_LOW;
	case CELL_PROFILE_MEDIUM:
		return CELL_DEFAULTS_MEDIUM;
	case CELL_PROFILE_HIGH:
		return CELL_DEFAULTS_HIGH;
	}
	return 0;
}

/* Requests of the nodes. */

static bool
zeros(const void *p, size_t n)
{
	const uint8_t *b = p;

	while (n > 0 && *b == 0)
		n--, b++;
	return n == 0;
}

static bool
create_ports_ok(const struct cell_create *cc)
{
	unsigned i, j;

	if ((cc->cc_flags & CELL_CREATE_PORTS) == 0)
		return cc->cc_nports == 0;
	if (cc->cc_nports == 0 || cc->cc_nports > CELL_PORT_MAX)
		return false;
	for (i = 0; i < cc->cc_nports; i++) {
		if (cc->cc_ports[i] == 0)
			return false;
		for (j = 0; j < i; j++)
			if (cc->cc_ports[i] == cc->cc_ports[j])
				return false;
	}
	return true;
}

static bool
create_rlimits_ok(const struct cell_create *cc)
{
	if ((cc->cc_flags & CELL_CREATE_RLIMIT_NOFILE) == 0 &&
	    cc->cc_rlimit_nofile != 0)
		return false;
	if ((cc->cc_flags & CELL_CREATE_RLIMIT_AS) == 0 &&
	    cc->cc_rlimit_as != 0)
		return false;
	return (cc->cc_flags & CELL_CREATE_RLIMIT_CORE) != 0 ||
	    cc->cc_rlimit_core == 0;
}

static bool
name_ok(const char *s, size_t size)
{
	size_t i;

	for (i = 0; i < size && s[i] != '\0'; i++) {
		if ((s[i] < 'a' || s[i] > 'z') && (s[i] < 'A' || s[i] > 'Z') &&
		    (s[i] < '0' || s[i] > '9') &&
		    s[i] != '.' && s[i] != '_' && s[i] != '-')
			return false;
	}
	return i > 0 && i < size;
}

static bool
root_ok(const char *s, size_t size)
{
	size_t i;

	for (i = 0; i < size && s[i] != '\0'; i++) {
		if ((uint8_t)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	}
	return i < size && s[0] == '/';
}

int
cell_create_check(const struct cell_create *cc)
{
	const uint32_t known = CELL_CREATE_PROFILE | CELL_CREATE_PORTS |
	    CELL_CREATE_RLIMIT_NOFILE | CELL_CREATE_RLIMIT_AS |
	    CELL_CREATE_RLIMIT_CORE;

	if ((cc->cc_flags & ~known) != 0)
		return EINVAL;
	if (!create_ports_ok(cc) || !create_rlimits_ok(cc))
		return EINVAL;
	if ((cc->cc_flags & CELL_CREATE_PROFILE) != 0 &&
	    cc->cc_profile > CELL_PROFILE_HIGH)
		return EINVAL;
	if (!name_ok(cc->cc_name, sizeof(cc->cc_name)) ||
	    !root_ok(cc->cc_root, sizeof(cc->cc_root)))
		return EINVAL;
	return 0;
}

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* An address that means one address: no wildcard, and in its only form. */
static bool
addr_ok(unsigned family, const uint8_t addr[16])
{
	switch (family) {
	case CELL_FAMILY_IP4:
		return !zeros(addr, 4) && zeros(addr + 4, 12);
	case CELL_FAMILY_IP6:
		return !zeros(addr, 16) && memcmp(addr, mapped_prefix,
		    sizeof(mapped_prefix)) != 0;
	}
	return false;
}

static bool
address_ok(const void *entry)
{
	const struct cell_addr *ca = entry;

	return zeros(ca->ca_reserved, sizeof(ca->ca_reserved)) &&
	    addr_ok(ca->ca_family, ca->ca_addr);
}

static bool
port_ok(const void *entry)
{
	const struct cell_port *p = entry;

	if (p->cp_port == 0)
		return false;
	if (p->cp_proto != CELL_PROTO_ANY && p->cp_proto != CELL_PROTO_TCP &&
	    p->cp_proto != CELL_PROTO_UDP)
		return false;
	if (p->cp_family == CELL_FAMILY_ANY)
		return zeros(p->cp_addr, sizeof(p->cp_addr));
	return addr_ok(p->cp_family, p->cp_addr);
}

static bool
device_ok(const void *entry)
{
	const struct cell_device *cd = entry;

	return (cd->cd_type == CELL_DEVICE_CHARACTER ||
	    cd->cd_type == CELL_DEVICE_BLOCK) &&
	    zeros(cd->cd_reserved, sizeof(cd->cd_reserved));
}

/* Whether the first n entries are good, and none is twice; the others are 0. */
static bool
entries_ok(const void *entries, size_t size, unsigned n, unsigned max,
    bool (*ok)(const void *))
{
	const uint8_t *e = entries;
	unsigned i, j;

	if (n > max)
		return false;
	for (i = 0; i < n; i++) {
		if (!(*ok)(e + i * size))
			return false;
		for (j = 0; j < i; j++)
			if (memcmp(e + i * size, e + j * size, size) == 0)
				return false;
	}
	return zeros(e + n * size, (max - n) * size);
}

int
cell_policy_check(const struct cell_policy *cp)
{
	if (cp->cp_network > CELL_NETWORK_NONE ||
	    (cp->cp_permissions & ~CELL_PERM_ALL) != 0 ||
	    cp->cp_reserved != 0)
		return EINVAL;
	if ((cp->cp_naddresses != 0) !=
	    (cp->cp_network == CELL_NETWORK_ADDRESSES) ||
	    !entries_ok(cp->cp_addresses, sizeof(cp->cp_addresses[0]),
	    cp->cp_naddresses, CELL_ADDRESS_MAX, address_ok) ||
	    !entries_ok(cp->cp_ports, sizeof(cp->cp_ports[0]),
	    cp->cp_nports, CELL_PORT_MAX, port_ok) ||
	    !entries_ok(cp->cp_devices, sizeof(cp->cp_devices[0]),
	    cp->cp_ndevices, CELL_DEVICE_MAX, device_ok))
		return EINVAL;
	if (cp->cp_id == 0 && (cp->cp_network == CELL_NETWORK_NONE ||
	    cp->cp_permissions != 0 || cp->cp_maxprocs != 0 ||
	    cp->cp_ndevices != 0))
		return EINVAL;
	return 0;
}

/* Addresses. */

void
cell_sock_set(struct cell_sock *s, unsigned family, unsigned proto,
    uint16_t port, const uint8_t *addr)
{
	memset(s, 0, sizeof(*s));
	s->s_family = family == CELL_FAMILY_IP4 ? CELL_FAMILY_IP4 :
	    CELL_FAMILY_IP6;
	s->s_proto = proto == CELL_PROTO_TCP || proto == CELL_PROTO_UDP ?
	    (uint8_t)proto : CELL_PROTO_ANY;
	s->s_port = port;
	if (addr == NULL)
		return;
	if (s->s_family == CELL_FAMILY_IP6 &&
	    memcmp(addr, mapped_prefix, sizeof(mapped_prefix)) == 0) {
		s->s_family = CELL_FAMILY_IP4;
		addr += sizeof(mapped_prefix);
	}
	memcpy(s->s_addr, addr, s->s_family == CELL_FAMILY_IP4 ? 4 : 16);
}

bool
cell_sock_wildcard(const struct cell_sock *s)
{
	return zeros(s->s_addr, sizeof(s->s_addr));
}

uint32_t
cell_bind_facts(const struct cell_policy *cp, const struct cell_sock *s)
{
	const struct cell_addr *ca;

	if (cp->cp_network != CELL_NETWORK_ADDRESSES)
		return 0;
	if (cell_sock_wildcard(s))
		return CELL_IF_WILDCARD_ADDRESS;
	for (ca = cp->cp_addresses;
	    ca < cp->cp_addresses + cp->cp_naddresses; ca++) {
		if (ca->ca_family == s->s_family &&
		    memcmp(ca->ca_addr, s->s_addr, sizeof(s->s_addr)) == 0)
			return 0;
	}
	return CELL_IF_FOREIGN_ADDRESS;
}

static bool
same_addr(const struct cell_sock *a, const struct cell_sock *b)
{
	return a->s_family == b->s_family &&
	    memcmp(a->s_addr, b->s_addr, sizeof(a->s_addr)) == 0;
}

bool
cell_sock_overlaps(const struct cell_sock *a, bool only6,
    const struct cell_sock *b, bool otheronly6)
{
	if (a->s_port != b->s_port)
		return false;
	if (a->s_family == b->s_family)
		return same_addr(a, b) || cell_sock_wildcard(a) ||
		    cell_sock_wildcard(b);
	/* The IPv6 one must take everything. */
	if (a->s_family == CELL_FAMILY_IP6)
		return cell_sock_wildcard(a) && !only6;
	return cell_sock_wildcard(b) && !otheronly6;
}

/* Reserved ports. */

static bool
protos_meet(unsigned a, unsigned b)
{
	return a == b || a == CELL_PROTO_ANY || b == CELL_PROTO_ANY;
}

/* Another owner's reservation of any of what is asked for. */
static bool
resv_hit(const struct cell_resv *r, const struct cell_sock *s, uint32_t self)
{
	const struct cell_port *p = &r->r_port;

	return p->cp_port == s->s_port && r->r_owner != self &&
	    protos_meet(p->cp_proto, s->s_proto) &&
	    (p->cp_family == CELL_FAMILY_ANY || cell_sock_wildcard(s) ||
	    (p->cp_family == s->s_family &&
	    memcmp(p->cp_addr, s->s_addr, sizeof(s->s_addr)) == 0));
}

/* A reservation of all of what is asked for: no other owner can have any. */
static bool
resv_covers(const struct cell_port *p, const struct cell_sock *s)
{
	return p->cp_port == s->s_port &&
	    (p->cp_proto == CELL_PROTO_ANY || p->cp_proto == s->s_proto) &&
	    (p->cp_family == CELL_FAMILY_ANY || (!cell_sock_wildcard(s) &&
	    p->cp_family == s->s_family &&
	    memcmp(p->cp_addr, s->s_addr, sizeof(s->s_addr)) == 0));
}

static struct cell_resv **
port_chain(struct cell_ports *pt, uint16_t port)
{
	return &pt->pt_chain[port & (CELL_PORT_CHAINS - 1)];
}

bool
cell_ports_marked(const struct cell_ports *pt, uint16_t port)
{
	return (pt->pt_bits[port / 32] >> port % 32 & 1) != 0;
}

bool
cell_ports_taken(const struct cell_ports *pt, const struct cell_sock *s,
    uint32_t self, const struct cell_port *own, unsigned n)
{
	const struct cell_resv *r;
	unsigned i;

	if (!cell_ports_marked(pt, s->s_port))
		return false;
	for (i = 0; i < n; i++)
		if (resv_covers(&own[i], s))
			return false;
	r = pt->pt_chain[s->s_port & (CELL_PORT_CHAINS - 1)];
	for (; r != NULL; r = r->r_next)
		if (resv_hit(r, s, self))
			return true;
	return false;
}

int
cell_ports_reserve(struct cell_ports *pt, struct cell_resv *r, unsigned n,
    uint32_t owner)
{
	struct cell_resv **chain;
	struct cell_sock s;
	const struct cell_port *p;
	unsigned i;

	for (i = 0; i < n; i++) {
		/* A reservation of any address asks what a wildcard asks. */
		p = &r[i].r_port;
		s.s_family = p->cp_family;
		s.s_proto = p->cp_proto;
		s.s_port = p->cp_port;
		memcpy(s.s_addr, p->cp_addr, sizeof(s.s_addr));
		if (cell_ports_taken(pt, &s, owner, NULL, 0))
			return EEXIST;
	}
	for (i = 0; i < n; i++) {
		p = &r[i].r_port;
		r[i].r_owner = owner;
		chain = port_chain(pt, p->cp_port);
		r[i].r_next = *chain;
		*chain = &r[i];
		pt->pt_bits[p->cp_port / 32] |= 1U << p->cp_port % 32;
	}
	return 0;
}

void
cell_ports_unmark(struct cell_ports *pt, uint16_t port)
{
	const struct cell_resv *r;

	for (r = *port_chain(pt, port); r != NULL; r = r->r_next)
		if (r->r_port.cp_port == port)
			return;
	pt->pt_bits[port / 32] &= ~(1U << port % 32);
}

void
cell_ports_release(struct cell_ports *pt, struct cell_resv *r, unsigned n)
{
	struct cell_resv **link;
	unsigned i;

	for (i = 0; i < n; i++) {
		link = port_chain(pt, r[i].r_port.cp_port);
		while (*link != NULL && *link != &r[i])
			link = &(*link)->r_next;
		if (*link != NULL)	/* else it never was reserved */
			*link = r[i].r_next;
	}
}
