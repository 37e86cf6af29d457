/*
 * The listeners: from a kauth(9) question to a row of the policy table.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/ipc.h>
#include <sys/kauth.h>
#include <sys/kernel.h>
#include <sys/socket.h>
#include <sys/domain.h>
#include <sys/protosw.h>
#include <sys/socketvar.h>
#include <sys/stat.h>
#include <sys/systm.h>
#include <sys/tty.h>
#include <sys/vnode.h>

#include <miscfs/specfs/specdev.h>

#include "cell_var.h"

static uint64_t	cell_vnode_bits;	/* cell_vnode_asked, once */

/* Whether the mode of a System V object refuses the caller. */
static bool
cell_ipc_override(kauth_cred_t cred, const struct ipc_perm *perm, mode_t mode)
{
	uid_t euid = kauth_cred_geteuid(cred);
	int member = 0;

	if (mode == IPC_M)
		return euid != perm->cuid && euid != perm->uid;
	if (euid == perm->cuid || euid == perm->uid)
		return (perm->mode & mode) != mode;
	mode >>= 3;
	if (kauth_cred_getegid(cred) == perm->gid ||
	    kauth_cred_getegid(cred) == perm->cgid ||
	    (kauth_cred_ismember_gid(cred, perm->gid, &member) == 0 &&
	    member) ||
	    (kauth_cred_ismember_gid(cred, perm->cgid, &member) == 0 &&
	    member))
		return (perm->mode & mode) != mode;
	mode >>= 3;
	return (perm->mode & mode) != mode;
}

/* Locks: any adaptive ones. */
static int
cell_system_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	uintptr_t req = (uintptr_t)arg0;
	struct cell *c;
	uint32_t facts = 0;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	if (action == KAUTH_SYSTEM_SYSVIPC &&
	    req == KAUTH_REQ_SYSTEM_SYSVIPC_BYPASS && arg1 != NULL &&
	    cell_ipc_override(cred, arg1, (mode_t)(uintptr_t)arg2))
		facts = CELL_IF_PRIVILEGED;
	return cell_decide(cred, c,
	    cell_row(CELL_SCOPE_SYSTEM, action, req, facts));
}

/* Locks: see cell_process_facts. */
static int
cell_process_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c = cell_of(cred);
	uintptr_t req = 0;
	uint32_t facts;

	if (c == NULL && cred->cr_euid == 0)
		return KAUTH_RESULT_DEFER;
	facts = cell_process_facts(cred, c, action, arg0, arg1, arg2, arg3);
	switch (action) {
	case KAUTH_PROCESS_CANSEE:
	case KAUTH_PROCESS_CORENAME:
	case KAUTH_PROCESS_KTRACE:
	case KAUTH_PROCESS_RLIMIT:
		/* The others have other things in arg1. */
		req = (uintptr_t)arg1;
		break;
	default:
		break;
	}
	return cell_decide(cred, c,
	    cell_row(CELL_SCOPE_PROCESS, action, req, facts));
}

static uint32_t
cell_socket_facts(int domain, int type)
{

	if (domain == PF_ROUTE || domain == PF_OROUTE)
		return CELL_IF_ROUTE_SOCKET;
	if (type == SOCK_RAW)
		return CELL_IF_RAW_SOCKET;
	/* Every other family than PF_LOCAL leads out, as PF_BLUETOOTH. */
	return domain == PF_LOCAL ? 0 : CELL_IF_INET_SOCKET;
}

/*
 * Whose a socket in a list is.  A local one is listed without its lock, so its
 * credential may go at any moment: it is nobody's.  One without a credential is
 * being closed.  Locks: the socket's, but for local ones.
 */
static uint32_t
cell_listed_facts(struct cell *c, const struct socket *so)
{

	if (so == NULL || so->so_proto->pr_domain->dom_family == AF_LOCAL)
		return c != NULL ? CELL_IF_OTHER_CELL : 0;
	if (!solocked(so) || so->so_cred == NULL ||
	    cell_of(so->so_cred) != c)
		return CELL_IF_OTHER_CELL;
	return 0;
}

/* Locks: often the socket's. */
static int
cell_network_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c = cell_of(cred);
	uintptr_t req = (uintptr_t)arg0;
	uint32_t facts = 0;

	if (c == NULL && cred->cr_euid == 0)
		return KAUTH_RESULT_DEFER;
	if (action == KAUTH_NETWORK_BIND)
		return cell_bind(cred, c, req, arg1, arg2);
	if (action == KAUTH_NETWORK_SOCKET) {
		if (req == KAUTH_REQ_NETWORK_SOCKET_OPEN)
			facts = cell_socket_facts((int)(uintptr_t)arg1,
			    (int)(uintptr_t)arg2);
		else if (req == KAUTH_REQ_NETWORK_SOCKET_CANSEE)
			facts = cell_listed_facts(c, arg1);
	}
	return cell_decide(cred, c,
	    cell_row(CELL_SCOPE_NETWORK, action, req, facts));
}

/*
 * The caller is who the credential says, not the current process: opening
 * /dev/ptmx opens both ends of the terminal again with the kernel's own.
 * Locks: the vnode's for RAWIO_SPEC, a spin lock for most about terminals.
 */
static int
cell_device_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	const struct vnode *vp = arg1;
	const struct tty *tp = arg0;
	struct cell *c;
	uintptr_t req = 0;
	uint32_t facts = 0;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	if (action == KAUTH_DEVICE_RAWIO_SPEC) {
		req = (uintptr_t)arg0;
		if (vp != NULL && cell_device_safe(vp))
			facts = CELL_IF_SAFE_DEVICE;
		else if (vp != NULL &&
		    cell_device_listed(c, vp->v_type, vp->v_rdev))
			facts = CELL_IF_LISTED_DEVICE;
	} else if (action == KAUTH_DEVICE_TTY_OPEN && tp != NULL) {
		if (cell_device_ordinary(VCHR, tp->t_dev))
			facts = CELL_IF_SAFE_DEVICE;
		else if (cell_device_listed(c, VCHR, tp->t_dev))
			facts = CELL_IF_LISTED_DEVICE;
	}
	return cell_decide(cred, c,
	    cell_row(CELL_SCOPE_DEVICE, action, req, facts));
}

/* Locks: any adaptive ones. */
static int
cell_machdep_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	return cell_decide(cred, c,
	    cell_row(CELL_SCOPE_MACHDEP, action, 0, 0));
}

/* Locks: any adaptive ones. */
static int
cell_generic_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	return cell_decide(cred, c,
	    cell_row(CELL_SCOPE_GENERIC, action, 0, 0));
}

/*
 * An action of this scope is a set of bits.  It is asked for every component
 * of every path on the machine: the host leaves at once, a member of a living
 * cell soon.  Locks: the vnode's.
 */
static int
cell_vnode_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	uint64_t bits = action;
	uint32_t facts = 0;
	struct cell *c;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	if ((bits & cell_vnode_bits) == 0 && c->c_dying == 0)
		return KAUTH_RESULT_DEFER;
	if ((bits & KAUTH_VNODE_READ_DATA) != 0 &&
	    cell_in_syscall(SYS_ioctl, "ioctl"))
		facts = CELL_IF_IOCTL;
	while (bits != 0)
		if (cell_decide(cred, c, cell_row_vnode(&bits, facts)) ==
		    KAUTH_RESULT_DENY)
			return KAUTH_RESULT_DENY;
	return KAUTH_RESULT_DEFER;
}

/* No cookie: the kernel hands the scope's to a listener, not its own. */
static const struct {
	const char		*scope;
	kauth_scope_callback_t	callback;
} cell_scopes[] = {
	{ KAUTH_SCOPE_CRED,	cell_cred_cb },
	{ KAUTH_SCOPE_SYSTEM,	cell_system_cb },
	{ KAUTH_SCOPE_PROCESS,	cell_process_cb },
	{ KAUTH_SCOPE_NETWORK,	cell_network_cb },
	{ KAUTH_SCOPE_DEVICE,	cell_device_cb },
	{ KAUTH_SCOPE_MACHDEP,	cell_machdep_cb },
	{ KAUTH_SCOPE_GENERIC,	cell_generic_cb },
	{ KAUTH_SCOPE_VNODE,	cell_vnode_cb },
};

static kauth_listener_t	cell_listeners[__arraycount(cell_scopes)];

int
cell_listen(void)
{
	size_t i;

	cell_vnode_bits = cell_vnode_asked();
	for (i = 0; i < __arraycount(cell_scopes); i++) {
		cell_listeners[i] = kauth_listen_scope(cell_scopes[i].scope,
		    cell_scopes[i].callback, NULL);
		if (cell_listeners[i] == NULL) {
			printf("secmodel_cell: can't listen to %s\n",
			    cell_scopes[i].scope);
			cell_unlisten();
			return ENOMEM;
		}
	}
	return 0;
}

/*
 * kauth_unlisten_scope(9) does not wait for those who are just asking, and
 * frees the listener that they come back to.  Nothing here can make that safe:
 * it is for kernels under test (cell_main.c), which are given some time.
 */
void
cell_unlisten(void)
{
	size_t i;

	for (i = __arraycount(cell_scopes); i-- > 0;) {
		if (cell_listeners[i] != NULL)
			kauth_unlisten_scope(cell_listeners[i]);
		cell_listeners[i] = NULL;
	}
	(void)kpause("cellbye", false, MAX(hz / 10, 1), NULL);
}
