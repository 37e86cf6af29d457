/*
 * Sockets that wait on a port: whether a bind would put one beside a socket of
 * another cell or the host.
 *
 * SO_REUSEADDR lets a socket bind one address of a port beside one that has
 * them all, and SO_REUSEPORT the same address twice.  The more exact one then
 * gets the packets and connections.  Without these options the kernel refuses
 * what is in use by itself, with EADDRINUSE; where it does so with them as
 * well, it is left to it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/domain.h>
#include <sys/protosw.h>
#include <sys/socket.h>
#include <sys/socketvar.h>
#include <sys/systm.h>

#include <net/if.h>
#include <net/route.h>
#include <netinet/in.h>
#include <netinet/in_systm.h>
#include <netinet/ip.h>
#include <netinet/in_pcb.h>
#include <netinet/ip6.h>
#include <netinet6/in6_pcb.h>

#include "cell_var.h"

/* An internet socket's control block, of either family. */
#ifdef HAVE_INPCB_HDR
typedef struct inpcb_hdr	cell_pcb;
#define	PCB_HASH		inph_lhash
#define	PCB_AF(pcb)		((pcb)->inph_af)
#define	PCB_STATE(pcb)		((pcb)->inph_state)
#define	PCB_SOCKET(pcb)		((pcb)->inph_socket)
#define	PCB_TABLE(pcb)		((pcb)->inph_table)
#define	PCB_PORT(pcb)		(PCB_AF(pcb) == AF_INET ? \
	((const struct inpcb *)(pcb))->inp_lport : \
	((const struct in6pcb *)(pcb))->in6p_lport)
#define	PCB_ADDR4(pcb)		(&((const struct inpcb *)(pcb))->inp_laddr)
#define	PCB_ADDR6(pcb)		(&((const struct in6pcb *)(pcb))->in6p_laddr)
#define	PCB_FLAGS6(pcb)		(((const struct in6pcb *)(pcb))->in6p_flags)
#else
typedef struct inpcb		cell_pcb;
#define	PCB_HASH		inp_lhash
#define	PCB_AF(pcb)		((pcb)->inp_af)
#define	PCB_STATE(pcb)		((pcb)->inp_state)
#define	PCB_SOCKET(pcb)		((pcb)->inp_socket)
#define	PCB_TABLE(pcb)		((pcb)->inp_table)
#define	PCB_PORT(pcb)		((pcb)->inp_lport)
#define	PCB_ADDR4(pcb)		(&const_in4p_laddr(pcb))
#define	PCB_ADDR6(pcb)		(&const_in6p_laddr(pcb))
#define	PCB_FLAGS6(pcb)		((pcb)->inp_flags)
#endif
#define	PCB_ONLY6(pcb)		(PCB_AF(pcb) == AF_INET6 && \
	(PCB_FLAGS6(pcb) & IN6P_IPV6_V6ONLY) != 0)

static void
cell_pcb_sock(struct cell_sock *s, const cell_pcb *pcb, unsigned proto)
{

	if (PCB_AF(pcb) == AF_INET)
		cell_sock_set(s, CELL_FAMILY_IP4, proto, ntohs(PCB_PORT(pcb)),
		    (const uint8_t *)PCB_ADDR4(pcb));
	else
		cell_sock_set(s, CELL_FAMILY_IP6, proto, ntohs(PCB_PORT(pcb)),
		    (const uint8_t *)PCB_ADDR6(pcb));
}

static bool
cell_sock_multicast(const struct cell_sock *s)
{

	return s->s_family == CELL_FAMILY_IP4 ?
	    (s->s_addr[0] & 0xf0) == 0xe0 : s->s_addr[0] == 0xff;
}

/*
 * Whether the kernel lets so bind s though the host may not have the address:
 * with IPV6_FAITH, which nobody is asked about, it looks at no address of IPv6.
 * Locks: the socket's.
 */
bool
cell_pcb_faith(const struct socket *so, const struct cell_sock *s)
{
	const cell_pcb *pcb = so->so_pcb;

	KASSERT(solocked(so));
#ifdef IN6P_FAITH
	return pcb != NULL && s->s_proto != CELL_PROTO_ANY &&
	    s->s_family == CELL_FAMILY_IP6 && !cell_sock_wildcard(s) &&
	    (PCB_FLAGS6(pcb) & IN6P_FAITH) != 0;
#else
	return false;
#endif
}

/* Whether the kernel refuses a second socket on the very address by itself. */
static bool
cell_kernel_refuses(const struct socket *so, const struct socket *other,
    const struct cell_sock *s, const struct cell_sock *t)
{

	if (s->s_family != t->s_family ||
	    memcmp(s->s_addr, t->s_addr, sizeof(s->s_addr)) != 0)
		return false;
	if (cell_sock_multicast(s))
		return (other->so_options &
		    (SO_REUSEADDR | SO_REUSEPORT)) == 0;
	return (so->so_options & other->so_options & SO_REUSEPORT) == 0;
}

/*
 * Whether binding so to s would share what a waiting socket outside of the
 * cell gets.  A socket that is connected shares nothing, and one without a
 * credential is being closed.  Locks: the socket's, which is that of all
 * internet sockets and of their tables.
 */
bool
cell_port_shared(struct cell *c, const struct socket *so,
    const struct cell_sock *s)
{
	const cell_pcb *self = so->so_pcb, *pcb;
	const struct inpcbtable *table;
	const struct socket *other;
	struct cell_sock t;

	KASSERT(solocked(so));
	if (self == NULL || s->s_proto == CELL_PROTO_ANY ||
	    (so->so_options & (SO_REUSEADDR | SO_REUSEPORT)) == 0)
		return false;
	table = PCB_TABLE(self);
	LIST_FOREACH(pcb, &table->inpt_porthashtbl[s->s_port &
	    table->inpt_porthash], PCB_HASH) {
		other = PCB_SOCKET(pcb);
		if (PCB_STATE(pcb) >= INP_CONNECTED || other == NULL ||
		    other->so_cred == NULL || cell_of(other->so_cred) == c)
			continue;
		cell_pcb_sock(&t, pcb, s->s_proto);
		if (cell_sock_overlaps(s, PCB_ONLY6(self), &t,
		    PCB_ONLY6(pcb)) && !cell_kernel_refuses(so, other, s, &t))
			return true;
	}
	return false;
}
