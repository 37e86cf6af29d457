/*
 * Facts about requests of the process scope: whether the target is a member
 * of the caller's cell, and whether the system's own rules would refuse an
 * ordinary user.  The second follows what the kernel's own listeners ask in
 * kern_proc.c, kern_resource.c, kern_sig.c, kern_ktrace.c, sys_process.c and
 * sys_sched.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/kauth.h>
#include <sys/ktrace.h>
#include <sys/lwp.h>
#include <sys/proc.h>
#include <sys/resource.h>
#include <sys/sched.h>
#include <sys/signal.h>
#include <sys/vnode.h>

#include <miscfs/procfs/procfs.h>

#include "cell_var.h"

/* What is needed of a target's credential; its lock is held for it. */
struct cell_target {
	struct cell	*ct_cell;
	bool		ct_uidmatch;	/* any of the user ids agree */
	bool		ct_owned;	/* real ids agree, not set-id */
};

static void
cell_target(kauth_cred_t cred, struct proc *p, struct cell_target *ct)
{
	kauth_cred_t other;
	bool held;

	held = mutex_owned(p->p_lock);
	if (!held)
		mutex_enter(p->p_lock);
	other = p->p_cred;
	ct->ct_cell = cell_of(other);
	ct->ct_uidmatch = kauth_cred_uidmatch(cred, other);
	ct->ct_owned = (p->p_flag & PK_SUGID) == 0 &&
	    kauth_cred_geteuid(cred) == kauth_cred_getuid(other) &&
	    kauth_cred_getuid(cred) == kauth_cred_getsvuid(other);
	if (!held)
		mutex_exit(p->p_lock);
}

static bool
cell_raises_rlimit(struct proc *p, const struct rlimit *new, u_long which)
{

	return new != NULL && which < RLIM_NLIMITS &&
	    new->rlim_max > p->p_rlimit[which].rlim_max;
}

static bool
cell_raises_priority(struct lwp *l, int policy, pri_t priority)
{

	if (l == NULL)
		return true;
	return (policy != l->l_class &&
	    (policy == SCHED_FIFO || policy == SCHED_RR)) ||
	    priority > l->l_priority;
}

/* See IfPrivileged in the policy table. */
static bool
cell_privileged(const struct cell_target *ct, kauth_action_t action,
    struct proc *p, void *arg1, void *arg2, void *arg3)
{

	switch (action) {
	case KAUTH_PROCESS_NICE:
		return !ct->ct_uidmatch || (u_long)arg1 < (u_long)p->p_nice;
	case KAUTH_PROCESS_RLIMIT:
		return (p != curproc && !ct->ct_owned) ||
		    ((uintptr_t)arg1 == KAUTH_REQ_PROCESS_RLIMIT_SET &&
		    cell_raises_rlimit(p, arg2, (u_long)arg3));
	case KAUTH_PROCESS_SCHEDULER_SETPARAM:
		return !ct->ct_uidmatch || cell_raises_priority(arg1,
		    (int)(uintptr_t)arg2, (pri_t)(uintptr_t)arg3);
	case KAUTH_PROCESS_SIGNAL:
		return !ct->ct_uidmatch && !((uintptr_t)arg1 == SIGCONT &&
		    curproc->p_session == p->p_session);
	case KAUTH_PROCESS_KTRACE:
		return !ct->ct_owned ||
		    (p->p_traceflag & KTRFAC_PERSISTENT) != 0 ||
		    (uintptr_t)arg1 == KAUTH_REQ_PROCESS_KTRACE_PERSISTENT;
	default:
		return !ct->ct_owned;
	}
}

/*
 * Reading the directory of procfs.  The kernel names process 0 as its target,
 * which is the host's; without it a cell could not read about itself either.
 */
static bool
cell_procfs_root(kauth_action_t action, struct proc *p, void *arg1,
    void *arg2)
{
	const struct pfsnode *pfs = arg1;

	return action == KAUTH_PROCESS_PROCFS && p == &proc0 && pfs != NULL &&
	    pfs->pfs_type == PFSroot &&
	    (uintptr_t)arg2 == KAUTH_REQ_PROCESS_PROCFS_READ;
}

/*
 * Whether the request would read or change the memory of a newcomer, which is
 * a copy of whatever program brought it in.  To others it is the host's until
 * it executes a program; its own id and state they may see.
 */
static bool
cell_looks_into(kauth_action_t action, struct proc *p, void *arg1)
{

	switch (action) {
	case KAUTH_PROCESS_CANSEE:
		if ((uintptr_t)arg1 != KAUTH_REQ_PROCESS_CANSEE_ENV)
			return false;
		break;
	case KAUTH_PROCESS_KTRACE:
	case KAUTH_PROCESS_PROCFS:
	case KAUTH_PROCESS_PTRACE:
		break;
	default:
		return false;
	}
	return p != curproc && cell_newcomer(p);
}

/* wanted: the facts that the policy looks at for this action. */
uint32_t
cell_process_facts(kauth_cred_t cred, struct cell *c, kauth_action_t action,
    uint32_t wanted, struct proc *p, void *arg1, void *arg2, void *arg3)
{
	struct cell_target ct;

	if (action == KAUTH_PROCESS_FORK)
		return c != NULL && cell_full(c) ? CELL_IF_PROCESS_LIMIT : 0;
	if (p == NULL || wanted == 0 ||
	    cell_procfs_root(action, p, arg1, arg2))
		return 0;
	cell_target(cred, p, &ct);
	if (ct.ct_cell != c ||
	    (c != NULL && cell_looks_into(action, p, arg1)))
		return CELL_IF_OTHER_CELL;
	if (c == NULL || (wanted & CELL_IF_PRIVILEGED) == 0)
		return 0;	/* users of the host are free among each other */
	return cell_privileged(&ct, action, p, arg1, arg2, arg3) ?
	    CELL_IF_PRIVILEGED : 0;
}
