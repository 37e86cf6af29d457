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
#include <sys/socketvar.h>
#include <sys/stat.h>
#include <sys/systm.h>
#include <sys/tty.h>
#include <sys/vnode.h>

#include <miscfs/specfs/specdev.h>

#include "cell_var.h"
#include "cell_kauth.h"

static kauth_action_t	cell_vnode_asked;
static uint64_t		cell_vnode_permissions;

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
	    cell_kauth_action(CELL_SCOPE_SYSTEM, action),
	    cell_kauth_request(CELL_SCOPE_SYSTEM, req), facts);
}

static int
cell_process_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c = cell_of(cred);
	unsigned act, req = 0;
	uint32_t facts;

	if (c == NULL && kauth_cred_geteuid(cred) == 0)
		return KAUTH_RESULT_DEFER;
	act = cell_kauth_action(CELL_SCOPE_PROCESS, action);
	facts = cell_process_facts(cred, c, action, cell_facts_wanted(act),
	    arg0, arg1, arg2, arg3);
	if (c == NULL && facts == 0)
		return KAUTH_RESULT_DEFER;
	switch (action) {
	case KAUTH_PROCESS_CANSEE:
	case KAUTH_PROCESS_CORENAME:
	case KAUTH_PROCESS_KTRACE:
	case KAUTH_PROCESS_PROCFS:
	case KAUTH_PROCESS_RLIMIT:
		/* The others have other things in arg1. */
		req = cell_kauth_request(CELL_SCOPE_PROCESS, (uintptr_t)arg1);
		break;
	default:
		break;
	}
	return cell_decide(cred, c, act, req, facts);
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

static int
cell_network_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c = cell_of(cred);
	uintptr_t req = (uintptr_t)arg0;
	uint32_t facts = 0;

	if (action == KAUTH_NETWORK_BIND) {
		if (c == NULL && kauth_cred_geteuid(cred) == 0)
			return KAUTH_RESULT_DEFER;
		return cell_bind(cred, c,
		    cell_kauth_request(CELL_SCOPE_NETWORK, req), arg1, arg2);
	}
	if (c == NULL)
		return KAUTH_RESULT_DEFER;
	if (action == KAUTH_NETWORK_SOCKET &&
	    req == KAUTH_REQ_NETWORK_SOCKET_OPEN)
		facts = cell_socket_facts((int)(uintptr_t)arg1,
		    (int)(uintptr_t)arg2);
	return cell_decide(cred, c,
	    cell_kauth_action(CELL_SCOPE_NETWORK, action),
	    cell_kauth_request(CELL_SCOPE_NETWORK, req), facts);
}

/*
 * The caller is who the credential says, not the current process: opening
 * /dev/ptmx opens both ends of the terminal again with the kernel's own.
 *
 * ptsopen() asks about a terminal in use with a spin lock held, under which
 * the credential's lock must not be taken.  An ordinary terminal needs no
 * look at the cell: its node was decided on when the same open came by
 * spec_open(), also for a cell that is being destroyed.
 */
static int
cell_device_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;
	unsigned req = 0;
	uint32_t facts = 0;

	if (action == KAUTH_DEVICE_TTY_OPEN && arg0 != NULL &&
	    cell_device_ordinary(VCHR, ((struct tty *)arg0)->t_dev))
		return KAUTH_RESULT_DEFER;
	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	if (action == KAUTH_DEVICE_RAWIO_SPEC) {
		struct vnode *vp = arg1;

		req = cell_kauth_request(CELL_SCOPE_DEVICE, (uintptr_t)arg0);
		if (vp != NULL && cell_device_safe(vp))
			facts = CELL_IF_SAFE_DEVICE;
	}
	return cell_decide(cred, c,
	    cell_kauth_action(CELL_SCOPE_DEVICE, action), req, facts);
}

static int
cell_machdep_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	return cell_decide(cred, c,
	    cell_kauth_action(CELL_SCOPE_MACHDEP, action), 0, 0);
}

static int
cell_generic_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;

	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	return cell_decide(cred, c,
	    cell_kauth_action(CELL_SCOPE_GENERIC, action), 0, 0);
}

/*
 * An action of this scope is a set of bits.  It is asked for every component
 * of every path on the machine, so the bits that matter are looked at first.
 */
static int
cell_vnode_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;
	size_t i;

	if ((action & cell_vnode_asked) == 0 && cell_ndying == 0)
		return KAUTH_RESULT_DEFER;
	if ((c = cell_of(cred)) == NULL)
		return KAUTH_RESULT_DEFER;
	for (i = 0; i < __arraycount(cell_kauth_vnode); i++) {
		if ((action & cell_kauth_vnode[i].kb_mask) != 0 &&
		    cell_decide(cred, c, cell_kauth_vnode[i].kb_action, 0,
		    0) == KAUTH_RESULT_DENY)
			return KAUTH_RESULT_DENY;
	}
	return KAUTH_RESULT_DEFER;
}

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
};

static kauth_listener_t	cell_listeners[__arraycount(cell_scopes)];
static kauth_listener_t	cell_vnode_listener;

/* What the table asks of the vnode scope, and the permissions that open it. */
static void
cell_vnode_derive(void)
{
	const struct cell_row *row;
	size_t i;

	cell_vnode_asked = 0;
	cell_vnode_permissions = 0;
	for (i = 0; i < __arraycount(cell_kauth_vnode); i++) {
		row = cell_row_find(cell_kauth_vnode[i].kb_action, 0, 0);
		if (row->cr_opens == CELL_OPENS_ALWAYS)
			continue;
		cell_vnode_asked |= cell_kauth_vnode[i].kb_mask;
		if (row->cr_opens != CELL_OPENS_NEVER)
			cell_vnode_permissions |= 1ULL << row->cr_opens;
	}
}

int
cell_listen(void)
{
	size_t i;

	cell_vnode_derive();
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
 * The vnode scope is listened to from when the first cell needs it: one whose
 * permissions close a part of it, as those of medium and high do, or (none at
 * all) one that is being killed.
 */
int
cell_listen_vnode(uint64_t permissions)
{

	KASSERT(mutex_owned(&cell_lock));
	if ((permissions & cell_vnode_permissions) == cell_vnode_permissions)
		return 0;
	if (cell_vnode_listener == NULL)
		cell_vnode_listener = kauth_listen_scope(KAUTH_SCOPE_VNODE,
		    cell_vnode_cb, NULL);
	return cell_vnode_listener == NULL ? ENOMEM : 0;
}

/*
 * kauth_unlisten_scope(9) does not wait for those who are just asking.  There
 * is no cell any more, so they look up one pointer and leave: give them time.
 */
void
cell_unlisten(void)
{
	size_t i;

	if (cell_vnode_listener != NULL)
		kauth_unlisten_scope(cell_vnode_listener);
	cell_vnode_listener = NULL;
	for (i = __arraycount(cell_scopes); i-- > 0;) {
		if (cell_listeners[i] != NULL)
			kauth_unlisten_scope(cell_listeners[i]);
		cell_listeners[i] = NULL;
	}
	(void)kpause("cellbye", false, MAX(hz / 10, 1), NULL);
}
