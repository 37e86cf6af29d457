/*
 * Facts about requests of the process scope: whether the target is a member
 * of the caller's cell, and whether the system's own rules would refuse an
 * ordinary user.  cell_var.h says why a target may be looked into here.  The
 * second fact follows what the kernel's own listeners ask in
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

static bool
cell_raises_rlimit(struct proc *p, const struct rlimit *new, u_long which)
{

	/* A process keeps every set of limits that it had. */
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
cell_privileged(kauth_cred_t cred, kauth_action_t action, struct proc *p,
    void *arg1, void *arg2, void *arg3)
{
	kauth_cred_t other = CELL_READ(p->p_cred);
	const bool uidmatch = kauth_cred_uidmatch(cred, other);
	const bool owned = (CELL_READ(p->p_flag) & PK_SUGID) == 0 &&
	    kauth_cred_geteuid(cred) == kauth_cred_getuid(other) &&
	    kauth_cred_getuid(cred) == kauth_cred_getsvuid(other);

	switch (action) {
	case KAUTH_PROCESS_NICE:
		return !uidmatch || (u_long)arg1 < (u_long)p->p_nice;
	case KAUTH_PROCESS_RLIMIT:
		return (p != curproc && !owned) ||
		    ((uintptr_t)arg1 == KAUTH_REQ_PROCESS_RLIMIT_SET &&
		    cell_raises_rlimit(p, arg2, (u_long)arg3));
	case KAUTH_PROCESS_SCHEDULER_SETPARAM:
		return !uidmatch || cell_raises_priority(arg1,
		    (int)(uintptr_t)arg2, (pri_t)(uintptr_t)arg3);
	case KAUTH_PROCESS_SIGNAL:
		return !uidmatch && !((uintptr_t)arg1 == SIGCONT &&
		    curproc->p_session == p->p_session);
	case KAUTH_PROCESS_KTRACE:
		return !owned ||
		    (p->p_traceflag & KTRFAC_PERSISTENT) != 0 ||
		    (uintptr_t)arg1 == KAUTH_REQ_PROCESS_KTRACE_PERSISTENT;
	default:
		return !owned;
	}
}

/* The file of procfs that a request is about; none if it is about another. */
static const struct pfsnode *
cell_procfs_node(kauth_action_t action, void *arg1)
{

	return action == KAUTH_PROCESS_PROCFS ? arg1 : NULL;
}

/*
 * Reading the directory of procfs.  The kernel names process 0 as its target,
 * which is the host's; without it a cell could not read about itself either.
 */
static bool
cell_procfs_root(const struct pfsnode *pfs, const struct proc *p, void *arg2)
{

	return pfs != NULL && p == &proc0 && pfs->pfs_type == PFSroot &&
	    (uintptr_t)arg2 == KAUTH_REQ_PROCESS_PROCFS_READ;
}

/*
 * Whether a newcomer is to be kept from the caller: its memory, its program
 * and its open files are the host's until it executes one of the cell's.  It
 * may be killed.  Other newcomers run the same program as it does.
 */
static bool
cell_hides(const struct cell_proc *cp, kauth_action_t action, void *arg1)
{
	const struct cell_proc *self;

	if (cp->cp_proc == curproc || !cell_newcomer(cp) ||
	    (action == KAUTH_PROCESS_SIGNAL && (uintptr_t)arg1 == SIGKILL))
		return false;
	self = cell_proc_find(curproc);
	return self == NULL || !cell_newcomer(self);
}

/*
 * Whether a process without a record is one of the caller's cell, or of the
 * host, all the same: the caller itself, one that has ended, which proc_lock
 * keeps, or one that never was a member.
 */
static bool
cell_same_cell(struct cell *c, struct proc *p)
{

	if (p == curproc)
		return cell_of(curlwp->l_cred) == c;
	if (mutex_owned(CELL_PROC_LOCK) && P_ZOMBIE(p))
		return cell_of(p->p_cred) == c;
	return c == NULL;
}

/*
 * Locks: proc_lock or the target's p_lock for most requests.  None, and the
 * target may be gone, for PTRACE from clock_gettime(2).  A spin lock, the
 * thread's, for SCHEDULER_SETPARAM.  Model: process_forks, Asker.
 */
uint32_t
cell_process_facts(kauth_cred_t cred, struct cell *c, kauth_action_t action,
    struct proc *p, void *arg1, void *arg2, void *arg3)
{
	const struct pfsnode *pfs = cell_procfs_node(action, arg1);
	const struct cell_proc *cp;
	uint32_t facts = 0;

	if (action == KAUTH_PROCESS_FORK)
		return c != NULL && cell_full(c) ? CELL_IF_PROCESS_LIMIT : 0;
	if (p == NULL || cell_procfs_root(pfs, p, arg2))
		return 0;
	mutex_spin_enter(&cell_spin);
	cp = cell_proc_find(p);
	if (cp != NULL ? cp->cp_cell != c || cell_hides(cp, action, arg1) :
	    !cell_same_cell(c, p))
		facts = CELL_IF_OTHER_CELL;
	else if (c != NULL &&
	    cell_privileged(cred, action, p, arg1, arg2, arg3))
		facts = CELL_IF_PRIVILEGED;
	mutex_spin_exit(&cell_spin);
	if (pfs != NULL && pfs->pfs_type == PFSfpregs)
		facts |= CELL_IF_FPREGS;
	return facts;
}
