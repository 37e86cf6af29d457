/*
 * The decisions of secmodel_cell: what a cell's permissions say of a class of
 * requests (cell_rows.c tells which class one is), whose a port is, and whether a request of the sysctl
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
 * Whether the request is denied.  gone: the member's cell is unknown, dying
 * or being destroyed.  permissions: cp_permissions.  Both are the member's.
 */
bool	cell_row_denies(const struct cell_row *, enum cell_caller, bool gone,
    uint64_t permissions);

/* The permissions of CELL_PROFILE_*; none for any other number. */
uint64_t cell_profile_permissions(uint32_t profile);

/*
 * 0, or EINVAL if the request breaks a rule of docs/kernel-abi.md.  The policy
 * of cell 0 is what the host reserves for itself.
 */
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
 * Whether two sockets of one protocol could get the same packets: their ports
 * are equal, and so are their addresses, or one has all of them.  only6: an
 * IPv6 socket that takes no IPv4.
 */
bool	cell_sock_overlaps(const struct cell_sock *, bool only6,
    const struct cell_sock *, bool otheronly6);

/*
 * The reserved ports of all cells and the host (owner 0).  Two reservations
 * overlap if their ports are equal, their protocols are equal or one is any,
 * and so are their addresses.  Reservations of different owners never overlap.
 */
struct cell_resv {
	struct cell_resv	*r_next;
	uint32_t		r_owner;
	struct cell_port	r_port;
};

#define	CELL_PORT_CHAINS	1024	/* a power of two */

struct cell_ports {
	volatile uint32_t	pt_bits[65536 / 32];	/* reserved by anyone */
	struct cell_resv	*pt_chain[CELL_PORT_CHAINS];	/* by port */
};

/*
 * Puts in n reservations, whose r_port the caller has filled in, or none of
 * them and EEXIST if one overlaps with another owner's.  They stay in place
 * until released, which leaves their marks: a port that nobody has reserved any
 * more is to be unmarked.  The caller serialises changes, and questions with
 * them.
 */
int	cell_ports_reserve(struct cell_ports *, struct cell_resv *, unsigned n,
    uint32_t owner);
void	cell_ports_release(struct cell_ports *, struct cell_resv *, unsigned n);
void	cell_ports_unmark(struct cell_ports *, uint16_t port);

/* Whether anyone has reserved the port.  Needs no lock. */
bool	cell_ports_marked(const struct cell_ports *, uint16_t port);

/*
 * Whether somebody else than self has reserved what a bind asks for.  A bind
 * to a wildcard asks for every address of both families.  own are the n ports
 * that self has reserved.  What they cover costs the same however many cells
 * there are; else those of the port are looked through.
 */
bool	cell_ports_taken(const struct cell_ports *, const struct cell_sock *,
    uint32_t self, const struct cell_port *own, unsigned n);

#endif /* _CELL_CORE_H_ */
