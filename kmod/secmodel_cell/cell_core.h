/*
 * The decisions of secmodel_cell: which class a request is, what a cell's
 * permissions say of it, whose a port is, and whether a request of the sysctl
 * nodes is well-formed.  Nothing here knows the kernel, allocates, sleeps or
 * locks; the same file is compiled and tested on the host.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef _CELL_CORE_H_
#define _CELL_CORE_H_

#ifdef _KERNEL
#include <sys/types.h>
#include <sys/stdbool.h>
#else
#include <stdbool.h>
#include <stdint.h>
#endif

#include "cell_table.h"
#include "cell_wire.h"

/* Whose credential asks.  Nothing here restricts root on the host. */
enum cell_caller {
	CELL_CALLER_MEMBER,	/* of a cell */
	CELL_CALLER_USER,	/* on the host, effective user id not 0 */
	CELL_CALLER_ROOT
};

/*
 * The row that a request falls under; facts is a set of CELL_IF_*.  Never
 * NULL: what is no CELL_ACTION_* gets a row that is denied to every member.
 */
const struct cell_row *cell_row_find(unsigned action, unsigned request,
    uint32_t facts);

/* The facts that can matter for an action, so that others need no look. */
uint32_t cell_facts_wanted(unsigned action);

/*
 * Whether the request is denied.  gone: the member's cell is unknown, dying
 * or being destroyed.  permissions: cp_permissions.  Both are the member's.
 */
bool	cell_row_denies(const struct cell_row *, enum cell_caller, bool gone,
    uint64_t permissions);

/* The permissions of CELL_PROFILE_*; none for any other number. */
uint64_t cell_profile_permissions(uint32_t profile);

/* 0, or EINVAL if the request breaks a rule of docs/kernel-abi.md. */
int	cell_create_check(const struct cell_create *);
int	cell_policy_check(const struct cell_policy *);

/* What a bind(2) asks for, in one form. */
struct cell_sock {
	uint8_t		s_family;	/* CELL_FAMILY_IP4 or _IP6 */
	uint8_t		s_proto;	/* CELL_PROTO_*; any: neither or both */
	uint16_t	s_port;		/* host byte order */
	uint8_t		s_addr[16];	/* as ca_addr; 0 is the wildcard */
};

/*
 * Fills in a cell_sock.  addr has 4 or 16 bytes by the family, in network
 * byte order, or is NULL for the wildcard.  An IPv4-mapped address becomes
 * the IPv4 address that it stands for.
 */
void	cell_sock_set(struct cell_sock *, unsigned family, unsigned proto,
    uint16_t port, const uint8_t *addr);
bool	cell_sock_wildcard(const struct cell_sock *);

/*
 * CELL_IF_FOREIGN_ADDRESS or CELL_IF_WILDCARD_ADDRESS for a member of a cell
 * with this policy; 0 if its own address, or if the cell has none.
 */
uint32_t cell_bind_facts(const struct cell_policy *, const struct cell_sock *);

/*
 * The reserved ports of all cells.  Two reservations overlap if their ports
 * are equal, their protocols are equal or one is any, and so are their
 * addresses.  Reservations of different owners never overlap.
 *
 * A question costs the same however many cells there are: hash chains lead
 * to what is reserved of a port on one address, and of it for one protocol.
 * At 1,000 cells of eight ports the larger table is half full.
 */
struct cell_resv {
	struct cell_resv	*r_nextport;
	struct cell_resv	*r_nextaddr;
	uint32_t		r_owner;
	struct cell_port	r_port;
};

struct cell_ports {
	uint32_t		pt_bits[65536 / 32];	/* reserved by anyone */
	struct cell_resv	*pt_port[1024];
	struct cell_resv	*pt_addr[16384];
};

/*
 * Puts in n reservations, whose r_port the caller has filled in, or none of
 * them and EEXIST if one overlaps with another owner's.  They stay in place
 * until released.  The caller serialises changes, and questions with them.
 */
int	cell_ports_reserve(struct cell_ports *, struct cell_resv *, unsigned n,
    uint32_t owner);
void	cell_ports_release(struct cell_ports *, struct cell_resv *, unsigned n);

/* Whether anyone has reserved the port.  Needs no lock. */
bool	cell_ports_marked(const struct cell_ports *, uint16_t port);

/*
 * Whether somebody else than self has reserved what a bind asks for.  A bind
 * to a wildcard asks for every address of both families.
 */
bool	cell_ports_taken(const struct cell_ports *, const struct cell_sock *,
    uint32_t self);

#endif /* _CELL_CORE_H_ */
