/*
 * bind(2): ports that another cell has reserved, and a cell's own addresses.
 *
 * The kernel asks about a bind once with what the program wants.  If that is
 * port 0, and when connect(2), sendto(2) or listen(2) need a port for a socket
 * without one, it then asks again for each port that it picks.  Those
 * questions come with the port in the other byte order and with a family that
 * was never set, so:
 *
 * - the family is the socket's, not the address's;
 * - the last question about port 0 is remembered.  All that the kernel asks
 *   within it comes from the same thread and system call, about the same socket,
 *   with an address somewhere else on the stack, and before softnet_lock is
 *   released, which every question holds.  Such a question is about a
 *   candidate, and is refused if the port is taken in either byte order.  The
 *   kernel then tries the next one; these refusals are not counted.
 *   A program can make its own question look like one of the kernel's, and
 *   gets no other answer by it.
 *
 * In a cell with addresses of its own, binding to all addresses is refused,
 * but connect(2) and sendto(2) on a fresh socket ask for just that before the
 * kernel settles on a source address.  The system call under way tells them
 * from bind(2) and listen(2).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/domain.h>
#include <sys/kmem.h>
#include <sys/lwp.h>
#include <sys/proc.h>
#include <sys/protosw.h>
#include <sys/socket.h>
#include <sys/socketvar.h>
#include <sys/syscall.h>
#include <sys/systm.h>

#include <netinet/in.h>

#include "cell_var.h"

static kmutex_t			cell_port_lock;
static struct cell_ports	*cell_ports;	/* cell_port_lock */

/* What the host keeps for itself.  cell_port_lock. */
static struct cell_policy	cell_host_policy;
static struct cell_resv		cell_host_resv[CELL_PORT_MAX];
static unsigned			cell_host_nresv;
static volatile bool		cell_host_addresses;	/* it has some */

/* The last question about port 0.  softnet_lock. */
static struct {
	const struct lwp	*ca_lwp;
	const struct sysent	*ca_sysent;
	const struct socket	*ca_so;
	const struct sockaddr	*ca_sa;
} cell_auto;

void
cell_bind_init(void)
{

	mutex_init(&cell_port_lock, MUTEX_DEFAULT, IPL_NONE);
	cell_ports = kmem_zalloc(sizeof(*cell_ports), KM_SLEEP);
	memset(&cell_host_policy, 0, sizeof(cell_host_policy));
	memset(&cell_auto, 0, sizeof(cell_auto));
	cell_host_nresv = 0;
	cell_host_addresses = false;
}

void
cell_bind_fini(void)
{

	kmem_free(cell_ports, sizeof(*cell_ports));
	mutex_destroy(&cell_port_lock);
}

/*
 * Reserves n ports for an owner, in place of the *nresv that it has in resv.
 * All or none: if one is another owner's, the old ones stay, and EEXIST.  Marks
 * are read without the lock: that of a port which the owner keeps stays.
 */
static int
cell_reserve_locked(struct cell_resv *resv, unsigned *nresv,
    const struct cell_port *ports, unsigned n, uint32_t owner)
{
	struct cell_port old[CELL_PORT_MAX];
	const unsigned nold = *nresv;
	unsigned i;
	int error;

	KASSERT(mutex_owned(&cell_port_lock));
	cell_ports_release(cell_ports, resv, nold);
	for (i = 0; i < nold; i++)
		old[i] = resv[i].r_port;
	for (i = 0; i < n; i++)
		resv[i].r_port = ports[i];
	error = cell_ports_reserve(cell_ports, resv, n, owner);
	*nresv = n;
	if (error != 0) {	/* nobody can have taken the old ones */
		for (i = 0; i < nold; i++)
			resv[i].r_port = old[i];
		(void)cell_ports_reserve(cell_ports, resv, nold, owner);
		*nresv = nold;
	}
	for (i = 0; i < nold; i++)
		cell_ports_unmark(cell_ports, old[i].cp_port);
	return error;
}

int
cell_reserve(struct cell_resv *resv, unsigned *nresv,
    const struct cell_port *ports, unsigned n, uint32_t owner)
{
	int error;

	mutex_enter(&cell_port_lock);
	error = cell_reserve_locked(resv, nresv, ports, n, owner);
	mutex_exit(&cell_port_lock);
	return error;
}

/* The policy of cell 0: ports and addresses that no member can bind. */
int
cell_set_host(const struct cell_policy *cp)
{
	int error;

	mutex_enter(&cell_port_lock);
	error = cell_reserve_locked(cell_host_resv, &cell_host_nresv,
	    cp->cp_ports, cp->cp_nports, 0);
	if (error == 0) {
		cell_host_policy = *cp;
		cell_host_addresses = cp->cp_naddresses != 0;
	}
	mutex_exit(&cell_port_lock);
	return error;
}

void
cell_get_host(struct cell_policy *cp)
{

	mutex_enter(&cell_port_lock);
	*cp = cell_host_policy;
	mutex_exit(&cell_port_lock);
}

/* Whether the host keeps the address, or one of all, for itself. */
static bool
cell_host_address(const struct cell_sock *s)
{
	bool host;

	if (!cell_host_addresses)
		return false;	/* mostly: no lock then */
	mutex_enter(&cell_port_lock);
	host = cell_host_addresses &&
	    cell_bind_facts(&cell_host_policy, s) != CELL_IF_FOREIGN_ADDRESS;
	mutex_exit(&cell_port_lock);
	return host;
}

/*
 * Whether the system call under way is the one of this number, or of this name
 * in another emulation.  Of a call whose name can't be told: yes.
 */
bool
cell_in_syscall(size_t number, const char *name)
{
	const struct emul *e = curproc->p_emul;
	const struct sysent *sy = curlwp->l_sysent;
	size_t n;

	if (sy == NULL)
		return false;
	if ((n = sy - e->e_sysent) >= SYS_NSYSENT)
		return true;
	if (strncmp(e->e_name, "netbsd", 6) == 0)
		return n == number;
	return e->e_syscallnames == NULL ||
	    strcmp(e->e_syscallnames[n], name) == 0;
}

/*
 * Whether the program itself asks for the address, rather than for a
 * connection.  Some emulations have one call for everything about sockets.
 */
static bool
cell_binds_itself(void)
{

	return curlwp->l_sysent == NULL || cell_in_syscall(SYS_bind, "bind") ||
	    cell_in_syscall(SYS_listen, "listen") ||
	    cell_in_syscall(SYS_NSYSENT, "socketcall");
}

static unsigned
cell_protocol(const struct socket *so)
{

	switch (so->so_proto->pr_protocol) {
	case IPPROTO_TCP:
		return CELL_PROTO_TCP;
	case IPPROTO_UDP:
		return CELL_PROTO_UDP;
	default:
		return CELL_PROTO_ANY;
	}
}

/* What is asked for; false if it is no internet socket. */
static bool
cell_bind_request(struct cell_sock *s, const struct socket *so,
    const struct sockaddr *sa)
{
	struct sockaddr_in sin;		/* copies: sa need not be aligned */
	struct sockaddr_in6 sin6;

	switch (so->so_proto->pr_domain->dom_family) {
	case AF_INET:
		memcpy(&sin, sa, sizeof(sin));
		cell_sock_set(s, CELL_FAMILY_IP4, cell_protocol(so),
		    ntohs(sin.sin_port), (const uint8_t *)&sin.sin_addr.s_addr);
		return true;
	case AF_INET6:
		memcpy(&sin6, sa, sizeof(sin6));
		cell_sock_set(s, CELL_FAMILY_IP6, cell_protocol(so),
		    ntohs(sin6.sin6_port), sin6.sin6_addr.s6_addr);
		return true;
	default:
		return false;
	}
}

/* Whether another cell has reserved it.  Mostly nobody has: no lock then. */
static bool
cell_bind_taken(const struct cell_sock *s, const struct cell *c)
{
	bool taken;

	if (!cell_ports_marked(cell_ports, s->s_port))
		return false;
	mutex_enter(&cell_port_lock);
	taken = c != NULL ?
	    cell_ports_taken(cell_ports, s, c->c_id, c->c_policy.cp_ports,
	    c->c_policy.cp_nports) :
	    cell_ports_taken(cell_ports, s, 0, cell_host_policy.cp_ports,
	    cell_host_policy.cp_nports);
	mutex_exit(&cell_port_lock);
	return taken;
}

/* Whether the kernel asks for itself, within a question about port 0. */
static bool
cell_is_candidate(const struct socket *so, const struct sockaddr *sa)
{

	return cell_auto.ca_lwp == curlwp && cell_auto.ca_so == so &&
	    cell_auto.ca_sysent == curlwp->l_sysent && cell_auto.ca_sa != sa;
}

static void
cell_remember(const struct lwp *l, const struct socket *so,
    const struct sockaddr *sa)
{

	cell_auto.ca_lwp = l;
	cell_auto.ca_sysent = l != NULL ? l->l_sysent : NULL;
	cell_auto.ca_so = so;
	cell_auto.ca_sa = sa;
}

/* What is to be said of a port. */
static uint32_t
cell_port_facts(struct cell *c, const struct socket *so,
    const struct cell_sock *s)
{
	uint32_t facts = 0;

	if (cell_bind_taken(s, c))
		facts |= CELL_IF_RESERVED_PORT;
	if (cell_port_shared(c, so, s))
		facts |= CELL_IF_TAKEN_PORT;
	return facts;
}

/*
 * Whether there is anything to be said of a port that the kernel has picked, in
 * either byte order.  So a program gains nothing by looking like the kernel.
 */
static bool
cell_candidate_refused(struct cell *c, const struct socket *so,
    struct cell_sock s)
{

	if (cell_port_facts(c, so, &s) != 0)
		return true;
	s.s_port = bswap16(s.s_port);
	return cell_port_facts(c, so, &s) != 0;
}

/*
 * Locks: the socket's, which is softnet_lock for those of the internet.  None
 * where the kernel asks without an address, as IP_BINDANY does.
 */
int
cell_bind(kauth_cred_t cred, struct cell *c, uintptr_t request,
    struct socket *so, const struct sockaddr *sa)
{
	struct cell_sock s;
	uint32_t facts = 0;
	bool itself = true;

	if (so != NULL && sa != NULL && cell_bind_request(&s, so, sa)) {
		KASSERT(solocked(so));
		if (c != NULL && cell_pcb_faith(so, &s) && cell_decide(cred, c,
		    cell_row(CELL_SCOPE_NETWORK, KAUTH_NETWORK_BIND,
		    CELL_BIND_ANYADDR, 0)) == KAUTH_RESULT_DENY)
			return KAUTH_RESULT_DENY;
		itself = cell_binds_itself();
		if (s.s_port == 0)
			cell_remember(curlwp, so, sa);
		else if (!itself || cell_is_candidate(so, sa)) {
			if (cell_candidate_refused(c, so, s))
				return KAUTH_RESULT_DENY;
		} else {
			cell_remember(NULL, NULL, NULL);
			facts = cell_port_facts(c, so, &s);
		}
		if (c != NULL && itself && cell_host_address(&s))
			facts |= CELL_IF_RESERVED_PORT;
		if (c != NULL && (itself || !cell_sock_wildcard(&s)))
			facts |= cell_bind_facts(&c->c_policy, &s);
	}
	return cell_decide(cred, c, cell_row(CELL_SCOPE_NETWORK,
	    KAUTH_NETWORK_BIND, request, facts));
}
