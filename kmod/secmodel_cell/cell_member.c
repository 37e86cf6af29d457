/*
 * Membership: which cell a credential belongs to, how a process enters, and
 * what its end leaves behind.
 *
 * Two things are kept about a member.  Its credential points to the cell, and
 * is copied whenever the kernel copies credentials; that is what checks follow.
 * Its process has a record (struct cell_proc) from entry or fork to its end;
 * that is what is counted, because credentials outlive their processes: open
 * files and unreaped processes keep them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/filedesc.h>
#include <sys/kmem.h>
#include <sys/proc.h>
#include <sys/signalvar.h>
#include <sys/systm.h>

#include <uvm/uvm_extern.h>

#include "cell_var.h"



/* Whether the caller's root directory is the one the cell was made with. */
static bool
cell_at_root(struct cell *c, struct proc *p)
{
	bool at;

	rw_enter(&p->p_cwdi->cwdi_lock, RW_READER);
	at = p->p_cwdi->cwdi_rdir == c->c_root;
	rw_exit(&p->p_cwdi->cwdi_lock);
	return at;
}

/* Whether the caller can become a member, in the order of the interface. */
static int
cell_may_enter(struct cell *c, struct proc *p)
{

	KASSERT(mutex_owned(&cell_lock));
	if (c == NULL)
		return ENOENT;
	if (!cell_at_root(c, p))
		return EPERM;
	if (c->c_dying)
		return EBUSY;
	if (cell_full(c))
		return EAGAIN;
	return 0;
}

/*
 * Makes the calling process a member, for good.  cell_lock is held all the
 * time, so that neither destroy nor another thread of the process gets in
 * between.
 */
int
cell_enter(struct lwp *l, uint32_t id)
{
	struct proc *p = l->l_proc;
	kauth_cred_t old, new;
	struct cell *c;
	bool first;
	int error;

	new = kauth_cred_alloc();
	mutex_enter(&cell_lock);
	if (cell_of_proc(p) != NULL)	/* another thread was faster */
		error = EPERM;
	else
		error = cell_may_enter(c = cell_find(id), p);
	if (error != 0) {
		mutex_exit(&cell_lock);
		kauth_cred_free(new);
		return error;
	}

	mutex_enter(&c->c_lock);
	first = c->c_state == CELL_STATE_EMPTY;
	if (first) {
		c->c_state = CELL_STATE_RUNNING;
		c->c_first = p->p_pid;
	}
	mutex_exit(&c->c_lock);
	c->c_entered = true;
	atomic_inc_uint(&c->c_nprocs);
	cell_proc_begin(c, p, first, true);

	cell_cred_set(new, c);
	proc_crmod_enter();
	p->p_flag &= ~PK_EXEC;	/* see cell_newcomer */
	old = p->p_cred;
	kauth_cred_clone(old, new);
	proc_crmod_leave(new, old, true);
	mutex_exit(&cell_lock);
	return 0;
}

/* Whether any process is a member, ended ones that wait included. */
bool
cell_has_process(struct cell *c)
{
	struct proc *p;
	bool found = false;

	mutex_enter(CELL_PROC_LOCK);
	PROCLIST_FOREACH(p, &allproc) {
		if ((found = cell_of_proc(p) == c))
			break;
	}
	if (!found) {
		PROCLIST_FOREACH(p, &zombproc) {
			if ((found = cell_of_proc(p) == c))
				break;
		}
	}
	mutex_exit(CELL_PROC_LOCK);
	return found;
}

static int
cell_pid_compare(const void *a, const void *b)
{
	const pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * The pids of the members that have not ended, ascending, in memory of
 * *sizep bytes that the caller frees.
 */
void
cell_procs(struct cell *c, pid_t **pidsp, size_t *np, size_t *sizep)
{
	struct proc *p;
	pid_t *pids, tmp;
	size_t n, room;

	room = c->c_nprocs + 16;
again:
	pids = kmem_alloc(room * sizeof(*pids), KM_SLEEP);
	n = 0;
	mutex_enter(CELL_PROC_LOCK);
	PROCLIST_FOREACH(p, &allproc) {
		if (cell_of_proc(p) != c || CELL_ENDING(p))
			continue;
		if (n < room)
			pids[n] = p->p_pid;
		n++;
	}
	mutex_exit(CELL_PROC_LOCK);
	if (n > room) {	/* they were forking */
		kmem_free(pids, room * sizeof(*pids));
		room = n + n / 2;
		goto again;
	}
	if (n > 1)
		(void)kheapsort(pids, n, sizeof(*pids), cell_pid_compare, &tmp);
	*pidsp = pids;
	*np = n;
	*sizep = room * sizeof(*pids);
}

/*
 * Signals every member that has not ended and gives their number.  SIGKILL
 * first makes the cell a dying one: it can't fork from then on.  A fork that
 * was under way can still finish, so a caller that wants everything gone asks
 * again until nothing is left.
 */
unsigned
cell_signal(struct cell *c, int signum)
{
	struct proc *p;
	unsigned n = 0;

	if (signum == SIGKILL && atomic_swap_uint(&c->c_dying, 1) == 0)
		atomic_inc_uint(&cell_ndying);
	mutex_enter(CELL_PROC_LOCK);
	PROCLIST_FOREACH(p, &allproc) {
		if (cell_of_proc(p) != c || CELL_ENDING(p))
			continue;
		psignal(p, signum);
		n++;
	}
	mutex_exit(CELL_PROC_LOCK);
	return n;
}

/* Adds what one process uses to its cell. */
static void
cell_use(struct proc *p)
{
	struct cell *c;

	mutex_enter(p->p_lock);
	if ((c = cell_of(p->p_cred)) != NULL) {
		c->c_use.cu_refs++;
		if (!CELL_ENDING(p)) {
			c->c_use.cu_ticks += p->p_uticks + p->p_sticks +
			    p->p_iticks;
			c->c_use.cu_memory += p->p_vmspace->vm_map.size;
		}
	}
	mutex_exit(p->p_lock);
}

/*
 * Brings c_use of every cell up to date, with one walk over the processes
 * however many cells there are.
 */
void
cell_measure(void)
{
	struct proc *p;
	struct cell *c;

	KASSERT(mutex_owned(&cell_lock));
	mutex_enter(CELL_PROC_LOCK);
	TAILQ_FOREACH(c, &cell_list, c_list) {
		memset(&c->c_use, 0, sizeof(c->c_use));
		mutex_enter(&c->c_lock);
		c->c_use.cu_ticks = c->c_ticks_ended;
		mutex_exit(&c->c_lock);
	}
	PROCLIST_FOREACH(p, &allproc)
		cell_use(p);
	PROCLIST_FOREACH(p, &zombproc)
		cell_use(p);
	mutex_exit(CELL_PROC_LOCK);
}
