/*
 * Cases: bind(2), in the kernel's questions: port 0 and the candidates for it,
 * ports that a cell or the host has reserved, and sockets that wait already.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"

#define	ANY	0
#define	LOCALHOST	0x7f000001
#define	ADDRESS	0x0a000001

static int
bind_port(struct socket *so, uint32_t addr, uint16_t port)
{
	return kern_bind(curlwp, so, (struct kern_bind){ .addr = addr,
	    .port = port });
}

/* A bind of a new socket, which is closed again. */
static int
try(uint32_t addr, uint16_t port, int options)
{
	struct socket *so = kern_socket(curlwp, AF_INET, SOCK_STREAM);
	int error;

	so->so_options = options;
	error = bind_port(so, addr, port);
	kern_soclose(so);
	return error;
}

static void
reserve(uint32_t id, uint16_t port)
{
	struct cell_policy cp;

	EXPECT(cells_policy_of(id, &cp), 0);
	cp.cp_nports = 1;
	memset(cp.cp_ports, 0, sizeof(cp.cp_ports));
	cp.cp_ports[0].cp_port = port;
	EXPECT(cells_policy(&cp), 0);
}

/* Only its owner and the host's root get a reserved port. */
static void
reserved(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), id2 = cells_new(1,
	    PROFILE_HIGH);
	struct lwp *owner, *other, *user = kern_host_user(1000);

	reserve(id, 8080);
	owner = cells_member(id, 0);
	other = cells_member(id2, 1);
	as(owner);
	EXPECT(try(ANY, 8080, 0), 0);
	as(other);
	EXPECT(try(ANY, 8080, 0), EACCES);
	EXPECT(try(LOCALHOST, 8080, 0), EACCES);
	EXPECT(try(ANY, 8081, 0), 0);
	as(user);
	EXPECT(try(ANY, 8080, 0), EACCES);
	as(root);
	EXPECT(try(ANY, 8080, 0), 0);
	end(owner, 0);
	end(other, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(cells_destroy(id2), 0);
	as(user);
	EXPECT(try(ANY, 8080, 0), 0);
	as(root);
	end(user, 0);
}

/*
 * A socket is asked about with port 0, and the next one in the same memory is
 * none of the candidates for it: neither refused for its port in the other byte
 * order, nor left uncounted.
 */
static void
port_zero(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), id2 = cells_new(1,
	    PROFILE_HIGH);
	struct cell_stats before, after;
	struct lwp *l = cells_member(id, 0);
	struct socket *so;
	uint16_t port;

	as(root);
	reserve(id2, 80);
	as(l);
	so = kern_socket(l, AF_INET, SOCK_STREAM);
	EXPECT(bind_port(so, ANY, 0), 0);
	port = ntohs(so->so_pcb->inp_lport);
	CHECK(port != 80 && port != bswap16(80), "the port is %u", port);
	EXPECT(bind_port(so, ANY, bswap16(80)), 0);
	EXPECT(bind_port(so, ANY, 0), 0);
	as(root);
	EXPECT(cells_stats(id, &before), 0);
	as(l);
	EXPECT(bind_port(so, ANY, 80), EACCES);
	kern_soclose(so);
	as(root);
	EXPECT(cells_stats(id, &after), 0);
	CHECK(memcmp(before.cs_denials, after.cs_denials,
	    sizeof(after.cs_denials)) != 0, "the denial is not counted");
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(cells_destroy(id2), 0);
}

/*
 * Somebody waits on all addresses of a port.  With SO_REUSEADDR another socket
 * can have one of them, and gets its connections: within the same cell only.
 */
static void
takeover(void)
{
	uint32_t id = cells_new(0, PROFILE_LOW), id2 = cells_new(1,
	    PROFILE_LOW);
	struct lwp *l = cells_member(id, 0), *other = cells_member(id2, 1);
	struct socket *host, *own;

	as(root);
	host = kern_socket(root, AF_INET, SOCK_STREAM);
	EXPECT(bind_port(host, ANY, 2222), 0);
	as(l);
	own = kern_socket(l, AF_INET, SOCK_STREAM);
	EXPECT(bind_port(own, ANY, 3333), 0);
	EXPECT(try(LOCALHOST, 2222, SO_REUSEADDR), EACCES);
	EXPECT(try(LOCALHOST, 2222, SO_REUSEPORT), EACCES);
	EXPECT(try(LOCALHOST, 3333, SO_REUSEADDR), 0);
	EXPECT(try(LOCALHOST, 4444, SO_REUSEADDR), 0);
	as(other);
	EXPECT(try(LOCALHOST, 3333, SO_REUSEADDR), EACCES);
	as(root);
	EXPECT(try(LOCALHOST, 3333, SO_REUSEADDR), 0);
	end(l, 0);
	end(other, 0);
	kern_soclose(host);
	/* Its credential is the cell's until the socket is gone. */
	EXPECT(cells_destroy(id), 0);
	kern_soclose(own);
	EXPECT(cells_destroy(id2), 0);
}

/*
 * IPV6_FAITH takes the kernel's look at the address away, and needs no right:
 * with it a member binds no address at all, unless it could by IPV6_BINDANY.
 */
static void
faith(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), id2 = cells_new(1,
	    PROFILE_LOW);
	struct lwp *l = cells_member(id, 0), *low = cells_member(id2, 1);
	struct socket *so;
	int i;

	for (i = 0; i < 4; i++) {
		as(i < 2 ? l : low);
		so = kern_socket(curlwp, AF_INET6, SOCK_DGRAM);
		if (i % 2 == 1)
			so->so_pcb->inp_flags |= IN6P_FAITH;
		so->so_pcb->inp_flags |= IN6P_IPV6_V6ONLY;
		EXPECT(bind_port(so, ANY, 5353), 0);
		EXPECT(bind_port(so, ADDRESS, 5353), i == 1 ? EACCES : 0);
		EXPECT(bind_port(so, ADDRESS, 0), i == 1 ? EACCES : 0);
		kern_soclose(so);
	}
	as(root);
	end(l, 0);
	end(low, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(cells_destroy(id2), 0);
}

/* What the host keeps for itself, as the policy of cell 0. */
static void
host_reserves(void)
{
	uint32_t id = cells_new(0, PROFILE_LOW);
	struct lwp *l = cells_member(id, 0), *user = kern_host_user(1000);
	struct cell_policy cp;

	reserve(0, 2222);
	as(l);
	EXPECT(try(ANY, 2222, 0), EACCES);
	as(user);
	EXPECT(try(ANY, 2222, 0), 0);
	as(root);
	EXPECT(cells_policy_of(0, &cp), 0);
	cp.cp_nports = 0;
	memset(cp.cp_ports, 0, sizeof(cp.cp_ports));
	cp.cp_network = CELL_NETWORK_ADDRESSES;
	cp.cp_naddresses = 1;
	cp.cp_addresses[0].ca_family = CELL_FAMILY_IP4;
	memcpy(cp.cp_addresses[0].ca_addr, "\x0a\x00\x00\x01", 4);
	EXPECT(cells_policy(&cp), 0);
	as(l);
	EXPECT(try(ADDRESS, 2222, 0), EACCES);
	EXPECT(try(LOCALHOST, 2222, 0), 0);
	as(root);
	memset(&cp, 0, sizeof(cp));
	EXPECT(cells_policy(&cp), 0);
	end(l, 0);
	end(user, 0);
	EXPECT(cells_destroy(id), 0);
}

const struct harness_case bind_cases[] = {
	{ "binds/reserved", reserved, false, NULL },
	{ "binds/port-zero", port_zero, false, NULL },
	{ "binds/takeover", takeover, false, NULL },
	{ "binds/faith", faith, false, NULL },
	{ "binds/host-reserves", host_reserves, false, NULL },
	{ NULL, NULL, false, NULL },
};
