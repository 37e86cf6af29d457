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

static kauth_key_t		cell_cred_key;
static specificdata_key_t	cell_proc_key;

static void	cell_proc_end(void *);

int
cell_member_init(secmodel_t sm)
{
	int error;

	error = kauth_register_key(sm, &cell_cred_key);
	if (error != 0)
		return error;
	error = proc_specific_key_create(&cell_proc_key, cell_proc_end);
	if (error != 0)
		kauth_deregister_key(cell_cred_key);
	return error;
}

void
cell_member_fini(void)
{

	proc_specific_key_delete(cell_proc_key);
	kauth_deregister_key(cell_cred_key);
}

/* The cell of a credential, NULL on the host.  The credential keeps it. */
struct cell *
cell_of(kauth_cred_t cred)
{

	return kauth_cred_getdata(cred, cell_cred_key);
}

/*
 * The cell of a process, good for comparing only: the process may end or
 * enter a cell as soon as its lock is dropped.  Callers of kauth(9) hold the
 * target's lock sometimes.
 */
struct cell *
cell_of_proc(struct proc *p)
{
	struct cell *c;
	bool held;

	held = mutex_owned(p->p_lock);
	if (!held)
		mutex_enter(p->p_lock);
	c = cell_of(p->p_cred);
	if (!held)
		mutex_exit(p->p_lock);
	return c;
}

/*
 * Whether a member still runs on the memory that it came with: it, or the
 * process that forked it, has entered and not executed a program since.
 * PK_EXEC is cleared at entry and by fork(2), and set by execve(2).  The
 * caller keeps the process from ending.
 */
bool
cell_newcomer(struct proc *p)
{
	struct cell_proc *cp;

	if ((p->p_flag & PK_EXEC) != 0)
		return false;
	cp = proc_getspecific(p, cell_proc_key);
	return cp != NULL && cp->cp_host;
}

/* Records p as a member.  The caller has counted it, and it has not run. */
static void
cell_proc_begin(struct cell *c, struct proc *p, bool first, bool host)
{
	struct cell_proc *cp;

	cp = kmem_alloc(sizeof(*cp), KM_SLEEP);
	cp->cp_cell = c;
	cp->cp_proc = p;
	cp->cp_first = first;
	cp->cp_host = host;
	cell_hold(c);
	proc_setspecific(p, cell_proc_key, cp);
}

/*
 * Runs in the ending process, when its exit status is settled and before
 * anybody is told: whoever hears of its end finds the status here.
 */
static void
cell_proc_end(void *arg)
{
	struct cell_proc *cp = arg;
	struct cell *c = cp->cp_cell;
	struct proc *p = cp->cp_proc;

	mutex_enter(&c->c_lock);
	c->c_ticks_ended += p->p_uticks + p->p_sticks + p->p_iticks;
	if (cp->cp_first) {
		c->c_status = CELL_WAITSTATUS(p);
		c->c_state = CELL_STATE_ENDED;
	}
	mutex_exit(&c->c_lock);
	atomic_dec_uint(&c->c_nprocs);
	cell_rele(c);
	kmem_free(cp, sizeof(*cp));
}

/*
 * Follows credentials.  It always answers ALLOW: a kernel with DIAGNOSTIC
 * panics at anything else in this scope.
 */
int
cell_cred_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;
	struct proc *child;

	switch (action) {
	case KAUTH_CRED_COPY:
		/* The new one is empty and nobody else's yet. */
		if ((c = cell_of(cred)) != NULL) {
			cell_hold(c);
			kauth_cred_setdata(arg0, cell_cred_key, c);
		}
		break;
	case KAUTH_CRED_FORK:
		/*
		 * The child's own credential: the parent's may have changed
		 * since the kernel gave it to the child.
		 */
		child = arg1;
		if ((c = cell_of(child->p_cred)) != NULL) {
			atomic_inc_uint(&c->c_nprocs);
			cell_proc_begin(c, child, false, cell_newcomer(arg0));
		}
		break;
	case KAUTH_CRED_FREE:
		if ((c = cell_of(cred)) != NULL)
			cell_rele(c);
		break;
	default:
		break;
	}
	return KAUTH_RESULT_ALLOW;
}

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

	cell_hold(c);
	kauth_cred_setdata(new, cell_cred_key, c);
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
