/*
 * bind(2): ports that another cell has reserved, and a cell's own addresses.
 *
 * The kernel asks about a bind once with what the program wants.  If that is
 * port 0, and when connect(2), sendto(2) or listen(2) need a port for a socket
 * without one, it then asks again for each port that it picks.  Those
 * questions come with the port in the other byte order in some releases and
 * with a family that was never set, so:
 *
 * - the family is the socket's, not the address's;
 * - a thread that was asked about port 0 of a socket is remembered with it, and
 *   further questions about that socket are about candidates: a candidate is
 *   refused if the port is taken in either byte order.  The kernel then tries
 *   the next one; these refusals are not counted.
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

kmutex_t		cell_port_lock;
struct cell_ports	*cell_ports;

/* Of a thread: the socket that it was asked about with port 0. */
static specificdata_key_t	cell_auto_key;

int
cell_bind_init(void)
{
	int error;

	error = lwp_specific_key_create(&cell_auto_key, NULL);
	if (error != 0)
		return error;
	mutex_init(&cell_port_lock, MUTEX_DEFAULT, IPL_NONE);
	cell_ports = kmem_zalloc(sizeof(*cell_ports), KM_SLEEP);
	return 0;
}

void
cell_bind_fini(void)
{

	kmem_free(cell_ports, sizeof(*cell_ports));
	mutex_destroy(&cell_port_lock);
	lwp_specific_key_delete(cell_auto_key);
}

/*
 * Whether the system call under way is the one of this number, or of this name
 * in another emulation.  What can't be told is taken at its worst: yes.
 */
static bool
cell_in_syscall(size_t number, const char *name)
{
	const struct emul *e = curproc->p_emul;
	const struct sysent *sy = curlwp->l_sysent;
	size_t n;

	if (sy == NULL || (n = sy - e->e_sysent) >= SYS_NSYSENT)
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

	return cell_in_syscall(SYS_bind, "bind") ||
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
	const struct sockaddr_in *sin;
	const struct sockaddr_in6 *sin6;

	switch (so->so_proto->pr_domain->dom_family) {
	case AF_INET:
		sin = (const struct sockaddr_in *)sa;
		cell_sock_set(s, CELL_FAMILY_IP4, cell_protocol(so),
		    ntohs(sin->sin_port),
		    (const uint8_t *)&sin->sin_addr.s_addr);
		return true;
	case AF_INET6:
		sin6 = (const struct sockaddr_in6 *)sa;
		cell_sock_set(s, CELL_FAMILY_IP6, cell_protocol(so),
		    ntohs(sin6->sin6_port), sin6->sin6_addr.s6_addr);
		return true;
	default:
		return false;
	}
}

/* Whether another cell has reserved it.  Mostly nobody has: no lock then. */
static bool
cell_bind_taken(const struct cell_sock *s, uint32_t self)
{
	bool taken;

	if (!cell_ports_marked(cell_ports, s->s_port))
		return false;
	mutex_enter(&cell_port_lock);
	taken = cell_ports_taken(cell_ports, s, self);
	mutex_exit(&cell_port_lock);
	return taken;
}

/* The same for a port that the kernel has picked, in either byte order. */
static bool
cell_candidate_taken(struct cell_sock s, uint32_t self)
{

	if (cell_bind_taken(&s, self))
		return true;
	s.s_port = bswap16(s.s_port);
	return cell_bind_taken(&s, self);
}

int
cell_bind(kauth_cred_t cred, struct cell *c, unsigned request,
    struct socket *so, const struct sockaddr *sa)
{
	const uint32_t self = c != NULL ? c->c_id : 0;
	struct cell_sock s;
	uint32_t facts = 0;
	bool itself;

	if (so == NULL || sa == NULL || !cell_bind_request(&s, so, sa))
		return c == NULL ? KAUTH_RESULT_DEFER :
		    cell_decide(cred, c, CELL_ACTION_NETWORK_BIND, request, 0);
	itself = cell_binds_itself();
	if (s.s_port == 0) {
		if (lwp_getspecific(cell_auto_key) != so)
			lwp_setspecific(cell_auto_key, so);
	} else if (!itself || lwp_getspecific(cell_auto_key) == so) {
		if (cell_candidate_taken(s, self))
			return KAUTH_RESULT_DENY;
	} else if (cell_bind_taken(&s, self))
		facts |= CELL_IF_RESERVED_PORT;

	if (c == NULL)
		return facts == 0 ? KAUTH_RESULT_DEFER : cell_decide(cred, c,
		    CELL_ACTION_NETWORK_BIND, request, facts);
	if (itself || !cell_sock_wildcard(&s))
		facts |= cell_bind_facts(&c->c_policy, &s);
	return cell_decide(cred, c, CELL_ACTION_NETWORK_BIND, request, facts);
}
