/*
 * Linux's tkill(2) and tgkill(2): the kernel's emulations ask kauth(9), and send
 * the signal whatever the answer is (linux_do_tkill).  So these calls of theirs
 * are answered here first, and reach the kernel's only when they may.  syncfs(2)
 * never does: linux_sys_syncfs gives a reference to the vnode back that it did
 * not take, and the kernel panics.
 *
 * An emulation can be a module that comes and goes.  The kernel's own symbols
 * tell whether it is there: they come before the first program of it can be
 * executed, and stay until there is none.  So each exec of a member looks, with
 * exec_lock held: before the member can make a call, the emulation's table of
 * calls has ours in it.  The table is the emulation's memory, and is not touched
 * without its symbol.  That goes a moment after the memory when the host's root
 * unloads the emulation, and nothing here can tell: see secmodel_cell(9).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/exec.h>
#include <sys/kernel.h>
#include <sys/ksyms.h>
#include <sys/lwp.h>
#include <sys/proc.h>
#include <sys/signal.h>
#include <sys/syscall.h>
#include <sys/systm.h>

#include "cell_var.h"

/* SIGKILL is the only signal that means the same to kauth(9) by its number. */
#define	CELL_LINUX_SIGKILL	9

enum { CELL_SYNCFS, CELL_TKILL, CELL_TGKILL, CELL_NCALLS };

static sy_call_t cell_linux_kill, cell_linux_syncfs;

static const struct {
	const char	*name;
	unsigned	nargs;		/* ints: the last two are thread, signal */
	sy_call_t	*ours;
	bool		may_lack;	/* not every emulation has it */
} cell_calls[CELL_NCALLS] = {
	[CELL_SYNCFS] = { "syncfs", 1, cell_linux_syncfs, true },
	[CELL_TKILL] = { "tkill", 2, cell_linux_kill, false },
	[CELL_TGKILL] = { "tgkill", 3, cell_linux_kill, false },
};

static struct cell_emul {
	const char		*ce_symbol;
	/*
	 * cell_spin.  Who finds our call reads them without it: they were
	 * written before, and stay while a program of the emulation runs.
	 */
	const struct sysent	*ce_table;
	struct sysent		*ce_sysent[CELL_NCALLS];	/* in it */
	sy_call_t		*ce_call[CELL_NCALLS];		/* the kernel's */
} cell_emuls[] = {
	{ .ce_symbol = "emul_linux" },
	{ .ce_symbol = "emul_linux32" },
};

static void	*cell_exec_hook;

/* Where an int stands among the arguments of a call. */
static size_t
cell_arg_at(const struct sysent *sy, unsigned nargs, unsigned i)
{
	const size_t slot = sy->sy_argsize / nargs;

	return i * slot +
	    (_BYTE_ORDER == _BIG_ENDIAN ? slot - sizeof(int) : 0);
}

/*
 * The process, if it may be signalled, kept from ending: *held says whether its
 * p_reflock is.  Then its number is nobody else's until the signal is sent.
 */
static int
cell_linux_target(struct lwp *l, int tgid, int tid, int signum,
    struct proc **pp, bool *held)
{
	struct proc *p;
	int error;

	mutex_enter(CELL_PROC_LOCK);
	p = tgid == -1 ? CELL_PROC_FIND_LWPID(tid) : proc_find(tgid);
	if (p == NULL) {
		mutex_exit(CELL_PROC_LOCK);
		return ESRCH;
	}
	mutex_enter(p->p_lock);
	error = kauth_authorize_process(l->l_cred, KAUTH_PROCESS_SIGNAL, p,
	    KAUTH_ARG(signum), NULL, NULL);
	mutex_exit(p->p_lock);
	*held = error == 0 && p != l->l_proc;
	if (*held && !rw_tryenter(&p->p_reflock, RW_READER))
		error = EBUSY;	/* it executes a program, or ends */
	*pp = p;
	mutex_exit(CELL_PROC_LOCK);
	return error;
}

/* What a member asks for, as tgkill(2): p_reflock makes the process certain. */
static int
cell_linux_send(struct lwp *l, const struct cell_emul *ce, int tgid, int tid,
    int signum, register_t *retval)
{
	const struct sysent *sy = ce->ce_sysent[CELL_TGKILL];
	register_t args[3] = { 0 };
	struct proc *p;
	bool held;
	int error;

	while ((error = cell_linux_target(l, tgid, tid,
	    signum == CELL_LINUX_SIGKILL ? SIGKILL : SIGTERM, &p, &held)) ==
	    EBUSY)
		if ((error = kpause("celltk", true, 1, NULL)) != EWOULDBLOCK)
			return error;
	if (error != 0)
		return error;
	memcpy((char *)args + cell_arg_at(sy, 3, 0), &p->p_pid, sizeof(int));
	memcpy((char *)args + cell_arg_at(sy, 3, 1), &tid, sizeof(int));
	memcpy((char *)args + cell_arg_at(sy, 3, 2), &signum, sizeof(int));
	error = (*ce->ce_call[CELL_TGKILL])(l, args, retval);
	if (held)
		rw_exit(&p->p_reflock);
	return error;
}

/* The emulation of the caller, who has found our call in its table. */
static const struct cell_emul *
cell_emul_mine(const struct lwp *l)
{
	const struct cell_emul *ce = cell_emuls;

	CELL_MEMBAR_ACQUIRE();	/* what was stored before the call was ours */
	if (CELL_READ(ce->ce_table) != l->l_proc->p_emul->e_sysent)
		ce++;
	return ce;
}

/* In place of tkill and tgkill.  Locks: none. */
static int
cell_linux_kill(struct lwp *l, const void *args, register_t *retval)
{
	const struct sysent *sy = l->l_sysent;
	const struct cell_emul *ce = cell_emul_mine(l);
	unsigned call, nargs, i;
	int v[3] = { -1 };

	call = ce->ce_sysent[CELL_TKILL] == sy ? CELL_TKILL : CELL_TGKILL;
	nargs = cell_calls[call].nargs;
	for (i = 0; i < nargs; i++)
		memcpy(&v[3 - nargs + i], (const char *)args +
		    cell_arg_at(sy, nargs, i), sizeof(int));
	if (cell_of(l->l_cred) == NULL || v[0] < -1 || v[1] <= 0)
		return (*ce->ce_call[call])(l, args, retval);
	return cell_linux_send(l, ce, v[0], v[1], v[2], retval);
}

/* In place of syncfs: members are told that there is none.  Locks: none. */
static int
cell_linux_syncfs(struct lwp *l, const void *args, register_t *retval)
{

	if (cell_of(l->l_cred) != NULL)
		return ENOSYS;
	return (*cell_emul_mine(l)->ce_call[CELL_SYNCFS])(l, args, retval);
}

/* The emulation's calls, NULL if it is not there. */
static struct emul *
cell_emul_of(const struct cell_emul *ce)
{
	unsigned long value;

	return ksyms_getval(NULL, ce->ce_symbol, &value, KSYMS_EXTERN) == 0 ?
	    (struct emul *)(uintptr_t)value : NULL;
}

static struct sysent *
cell_find_call(const struct emul *e, const char *name)
{
	size_t n;

	for (n = 0; n < SYS_NSYSENT && e->e_syscallnames != NULL; n++)
		if (strcmp(e->e_syscallnames[n], name) == 0)
			return &e->e_sysent[n];
	return NULL;
}

/*
 * Whether our calls are in the emulation's table.  All are, or none: one that
 * comes anew, at whatever address, has none of ours.
 */
static bool
cell_linux_taken(const struct cell_emul *ce, const struct emul *e)
{

	KASSERT(mutex_owned(&cell_spin));
	return ce->ce_table == e->e_sysent &&
	    ce->ce_sysent[CELL_TGKILL]->sy_call == cell_linux_kill;
}

/* Puts our calls there. */
static void
cell_linux_put(struct cell_emul *ce, const struct emul *e,
    struct sysent *const sy[CELL_NCALLS])
{
	unsigned i;

	KASSERT(mutex_owned(&cell_spin));
	for (i = 0; i < CELL_NCALLS; i++) {
		ce->ce_sysent[i] = sy[i];
		ce->ce_call[i] = sy[i] != NULL ? sy[i]->sy_call : NULL;
	}
	CELL_WRITE(ce->ce_table, e->e_sysent);
	for (i = 0; i < CELL_NCALLS; i++)
		if (sy[i] != NULL)
			CELL_WRITE(sy[i]->sy_call, cell_calls[i].ours);
}

/* Several members can execute a program at once. */
static void
cell_linux_take(struct cell_emul *ce, const struct emul *e)
{
	struct sysent *sy[CELL_NCALLS];
	unsigned i;
	bool taken;

	mutex_spin_enter(&cell_spin);
	taken = cell_linux_taken(ce, e);
	mutex_spin_exit(&cell_spin);
	if (taken)
		return;		/* mostly */
	for (i = 0; i < CELL_NCALLS; i++)
		if ((sy[i] = cell_find_call(e, cell_calls[i].name)) == NULL &&
		    !cell_calls[i].may_lack)
			return;
	mutex_spin_enter(&cell_spin);
	if (!cell_linux_taken(ce, e))
		cell_linux_put(ce, e, sy);
	mutex_spin_exit(&cell_spin);
}

/* Before a program is executed.  Locks: exec_lock, the process's p_reflock. */
static void
cell_linux_exec(struct proc *p, void *arg)
{
	const struct emul *e;
	size_t i;

	if (cell_of(curlwp->l_cred) == NULL)
		return;
	for (i = 0; i < __arraycount(cell_emuls); i++)
		if ((e = cell_emul_of(&cell_emuls[i])) != NULL)
			cell_linux_take(&cell_emuls[i], e);
}

void
cell_linux_init(void)
{

	cell_exec_hook = exechook_establish(cell_linux_exec, NULL);
}

/*
 * For kernels under test: who is in one of our calls is given the time that
 * cell_unlisten takes.
 */
void
cell_linux_fini(void)
{
	struct cell_emul *ce;
	const struct emul *e;
	unsigned i;

	exechook_disestablish(cell_exec_hook);
	for (ce = cell_emuls; ce < cell_emuls + __arraycount(cell_emuls); ce++) {
		if ((e = cell_emul_of(ce)) == NULL ||
		    e->e_sysent != ce->ce_table)
			continue;	/* ours went with it, or never came */
		for (i = 0; i < CELL_NCALLS; i++)
			if (ce->ce_sysent[i] != NULL &&
			    ce->ce_sysent[i]->sy_call == cell_calls[i].ours)
				ce->ce_sysent[i]->sy_call = ce->ce_call[i];
	}
}
