/*
 * Credentials and the records of member processes.
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
void
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

/* Points a credential that nobody has yet to a cell. */
void
cell_cred_set(kauth_cred_t cred, struct cell *c)
{

	cell_hold(c);
	kauth_cred_setdata(cred, cell_cred_key, c);
}
