/*
 * The table of member processes: a record of each, from its entry or fork to
 * its end.  This is what is counted, listed and signalled, because credentials
 * outlive processes: open files and unreaped processes keep them.
 *
 * A record leaves the table with proc_lock held, when its process ends.  So a
 * walk over a cell's records holds proc_lock, and takes cell_spin for each step
 * only: meanwhile records may be put in front, but none goes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/kmem.h>
#include <sys/proc.h>
#include <sys/signalvar.h>
#include <sys/systm.h>

#include <uvm/uvm_extern.h>

#include "cell_var.h"

#define	CELL_HASH	1024	/* a power of two */

static LIST_HEAD(, cell_proc)	cell_hash[CELL_HASH];

/* Its destructor is what tells of a process's end; nothing reads the data. */
static specificdata_key_t	cell_proc_key;

static void	cell_proc_end(void *);

int
cell_member_init(void)
{
	unsigned i;

	for (i = 0; i < CELL_HASH; i++)
		LIST_INIT(&cell_hash[i]);
	return proc_specific_key_create(&cell_proc_key, cell_proc_end);
}

void
cell_member_fini(void)
{

	proc_specific_key_delete(cell_proc_key);
}

static unsigned
cell_hash_of(const struct proc *p)
{
	uint32_t h = (uint32_t)((uintptr_t)p >> 6);

	return h * 0x9e3779b1U >> 16 & (CELL_HASH - 1);
}

/*
 * The record of a process, by the address alone: it may have been freed.  What
 * the record says, and the process itself, are good while cell_spin is held.
 */
struct cell_proc *
cell_proc_find(const struct proc *p)
{
	struct cell_proc *cp;

	KASSERT(mutex_owned(&cell_spin));
	LIST_FOREACH(cp, &cell_hash[cell_hash_of(p)], cp_hash)
		if (cp->cp_proc == p)
			break;
	return cp;
}

/*
 * Whether a member still runs on the memory that it came with: it, or the
 * process that forked it, has entered and not executed a program since.
 * PK_EXEC is cleared at entry and by fork(2), and set by execve(2).
 */
bool
cell_newcomer(const struct cell_proc *cp)
{

	KASSERT(mutex_owned(&cell_spin));
	return cp->cp_host && (CELL_READ(cp->cp_proc->p_flag) & PK_EXEC) == 0;
}

/*
 * Records p as a member: one that enters has no parent here.  The caller has
 * counted it.  What a parent that is just entering forks is a newcomer.
 * Locks: none that spins, cell_lock at entry.  Model: begin.
 */
void
cell_proc_begin(struct cell *c, struct proc *p, bool first,
    struct proc *parent)
{
	struct cell_proc *cp, *from;

	cp = kmem_alloc(sizeof(*cp), KM_SLEEP);
	cp->cp_cell = c;
	cp->cp_proc = p;
	cp->cp_first = first;
	cell_hold(c);
	proc_setspecific(p, cell_proc_key, cp);

	mutex_spin_enter(&cell_spin);
	from = parent != NULL ? cell_proc_find(parent) : NULL;
	cp->cp_host = from == NULL || cell_newcomer(from);
	LIST_INSERT_HEAD(&cell_hash[cell_hash_of(p)], cp, cp_hash);
	LIST_INSERT_HEAD(&c->c_procs, cp, cp_list);
	mutex_spin_exit(&cell_spin);
}

/*
 * Runs in the ending process, when its exit status is settled and before
 * anybody is told: whoever hears of its end finds the status here.  Locks:
 * proc_lock.  Model: process_ends.
 */
static void
cell_proc_end(void *arg)
{
	struct cell_proc *cp = arg;
	struct cell *c = cp->cp_cell;
	struct proc *p = cp->cp_proc;

	KASSERT(mutex_owned(CELL_PROC_LOCK));
	mutex_spin_enter(&cell_spin);
	LIST_REMOVE(cp, cp_hash);
	LIST_REMOVE(cp, cp_list);
	c->c_ticks_ended += p->p_uticks + p->p_sticks + p->p_iticks;
	if (cp->cp_first) {
		c->c_status = P_WAITSTATUS(p);
		c->c_state = CELL_STATE_ENDED;
	}
	mutex_spin_exit(&cell_spin);
	atomic_dec_uint(&c->c_nprocs);
	cell_rele(c);
	kmem_free(cp, sizeof(*cp));
}

/* The next record of a cell after cp, the first one after NULL. */
static struct cell_proc *
cell_proc_next(struct cell *c, struct cell_proc *cp)
{

	KASSERT(mutex_owned(CELL_PROC_LOCK));
	mutex_spin_enter(&cell_spin);
	cp = cp == NULL ? LIST_FIRST(&c->c_procs) : LIST_NEXT(cp, cp_list);
	mutex_spin_exit(&cell_spin);
	return cp;
}

/* How many members have ended and wait to be reaped. */
static unsigned
cell_zombies(struct cell *c)
{
	struct proc *p;
	unsigned n = 0;

	KASSERT(mutex_owned(CELL_PROC_LOCK));
	PROCLIST_FOREACH(p, &zombproc)
		if (cell_of(p->p_cred) == c)
			n++;
	return n;
}

/* Whether any process is a member, ended ones that wait included. */
bool
cell_has_process(struct cell *c)
{
	bool has;

	mutex_enter(CELL_PROC_LOCK);
	has = cell_proc_next(c, NULL) != NULL || cell_zombies(c) != 0;
	mutex_exit(CELL_PROC_LOCK);
	return has;
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
	struct cell_proc *cp = NULL;
	pid_t *pids, tmp;
	size_t n, room;

	room = c->c_nprocs + 16;
again:
	pids = kmem_alloc(room * sizeof(*pids), KM_SLEEP);
	n = 0;
	mutex_enter(CELL_PROC_LOCK);
	while ((cp = cell_proc_next(c, cp)) != NULL) {
		if (CELL_ENDING(cp->cp_proc))
			continue;
		if (n < room)
			pids[n] = cp->cp_proc->p_pid;
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
 * was under way can still finish: its child is counted, but gets no signal yet.
 * So a caller that wants everything gone asks again until nothing is left.
 * Model: kill.
 */
unsigned
cell_signal(struct cell *c, int signum)
{
	struct cell_proc *cp = NULL;
	unsigned n = 0;

	if (signum == SIGKILL)
		(void)atomic_swap_uint(&c->c_dying, 1);
	mutex_enter(CELL_PROC_LOCK);
	while ((cp = cell_proc_next(c, cp)) != NULL) {
		if (CELL_ENDING(cp->cp_proc))
			continue;
		psignal(cp->cp_proc, signum);
		n++;
	}
	mutex_exit(CELL_PROC_LOCK);
	return n;
}

/*
 * What the members of a cell use.  Address space is left out in fork(2) and
 * execve(2).
 */
void
cell_measure(struct cell *c, struct cell_use *cu)
{
	struct cell_proc *cp = NULL;
	struct proc *p;

	memset(cu, 0, sizeof(*cu));
	mutex_enter(CELL_PROC_LOCK);
	while ((cp = cell_proc_next(c, cp)) != NULL) {
		p = cp->cp_proc;
		cu->cu_refs++;
		cu->cu_ticks += p->p_uticks + p->p_sticks + p->p_iticks;
		/* Held by whoever takes the address space away. */
		if (CELL_UNMADE(p) || !rw_tryenter(&p->p_reflock, RW_READER))
			continue;
		if (!CELL_ENDING(p))
			cu->cu_memory += p->p_vmspace->vm_map.size;
		rw_exit(&p->p_reflock);
	}
	cu->cu_refs += cell_zombies(c);
	mutex_spin_enter(&cell_spin);
	cu->cu_ticks += c->c_ticks_ended;
	mutex_spin_exit(&cell_spin);
	mutex_exit(CELL_PROC_LOCK);
}

/*
 * Follows credentials.  It always answers ALLOW: a kernel with DIAGNOSTIC
 * panics at anything else in this scope.  Model: cred_free, process_forks,
 * process_setuid.
 */
int
cell_cred_cb(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	struct cell *c;
	struct proc *child;

	switch (action) {
	case KAUTH_CRED_INIT:
		/*
		 * Locks: none.  The copy that follows may come with the p_lock
		 * held, under which memory should not be waited for: a member
		 * makes room for the pointer now.
		 */
		if (cell_of(curlwp->l_cred) != NULL)
			cell_cred_room(cred);
		break;
	case KAUTH_CRED_COPY:
		/* Locks: none, or the p_lock of the current process. */
		if ((c = cell_of(cred)) != NULL) {
			KASSERT(cell_of(arg0) == NULL);
			cell_cred_set(arg0, c);
		}
		break;
	case KAUTH_CRED_FORK:
		/*
		 * Locks: none.  The child's own credential: the parent's may
		 * have changed since the kernel gave it to the child.
		 */
		child = arg1;
		if ((c = cell_of(child->p_cred)) != NULL) {
			atomic_inc_uint(&c->c_nprocs);
			cell_proc_begin(c, child, false, arg0);
		}
		break;
	case KAUTH_CRED_FREE:
		/*
		 * Locks: none that spins.  No process has the credential any
		 * more; whoever found it in one earlier holds cell_spin.
		 */
		if ((c = cell_of(cred)) != NULL) {
			mutex_spin_enter(&cell_spin);
			mutex_spin_exit(&cell_spin);
			cell_rele(c);
		}
		break;
	default:
		break;
	}
	return KAUTH_RESULT_ALLOW;
}
