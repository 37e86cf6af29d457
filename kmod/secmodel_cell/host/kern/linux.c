/*
 * Cases: an emulation whose tkill and tgkill send what kauth(9) refuses, as the
 * kernel's linux_do_tkill does, and whose syncfs panics; and calls of LFS.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"
#include "host.h"

#define	NR_TKILL	200
#define	NR_TGKILL	234
#define	NR_SYNCFS	306

static const char *names[SYS_NSYSENT];

static int
do_tkill(struct lwp *l, int pid, int signum)
{
	struct proc *p;
	int error;

	mutex_enter(&proc_lock);
	if ((p = proc_find(pid)) == NULL) {
		mutex_exit(&proc_lock);
		return ESRCH;
	}
	mutex_enter(p->p_lock);
	error = kauth_authorize_process(l->l_cred, KAUTH_PROCESS_SIGNAL, p,
	    KAUTH_ARG(signum), NULL, NULL);
	if (signum != 0)
		atomic_store_relaxed(&p->p_killed, 1);
	mutex_exit(p->p_lock);
	mutex_exit(&proc_lock);
	return error;
}

static int
sys_tkill(struct lwp *l, const void *args, register_t *retval)
{
	const register_t *a = args;

	return do_tkill(l, (int)a[0], (int)a[1]);
}

static int
sys_tgkill(struct lwp *l, const void *args, register_t *retval)
{
	const register_t *a = args;

	KASSERT(a[0] == a[1] || a[0] == -1);
	return do_tkill(l, (int)(a[0] == -1 ? a[1] : a[0]), (int)a[2]);
}

static u_int synced;

/* Whoever calls it panics the kernel, sooner or later. */
static int
sys_syncfs(struct lwp *l, const void *args, register_t *retval)
{

	synced++;
	return 0;
}

/* The module of the emulation comes, or comes again, and goes. */
static void
emulation(struct emul *e, struct sysent *table)
{
	u_int n;

	for (n = 0; n < SYS_NSYSENT; n++)
		names[n] = n == NR_TKILL ? "tkill" :
		    n == NR_TGKILL ? "tgkill" :
		    n == NR_SYNCFS ? "syncfs" : "other";
	memset(table, 0, SYS_NSYSENT * sizeof(*table));
	table[NR_TKILL] = (struct sysent){ 2, 2 * sizeof(register_t),
	    sys_tkill };
	table[NR_TGKILL] = (struct sysent){ 3, 3 * sizeof(register_t),
	    sys_tgkill };
	table[NR_SYNCFS] = (struct sysent){ 1, sizeof(register_t), sys_syncfs };
	*e = (struct emul){ "linux", table, names };
	kern_symbol("emul_linux", e);
}

static int
call(struct lwp *l, int nr, register_t a, register_t b, register_t c)
{
	const struct sysent *sy = &l->l_proc->p_emul->e_sysent[nr];
	const register_t args[] = { a, b, c };
	struct lwp *was = as(l);
	register_t retval[2];
	int error;

	l->l_sysent = sy;
	error = (*sy->sy_call)(l, args, retval);
	l->l_sysent = NULL;
	KASSERT(harness_held() == 0);
	as(was);
	return error;
}

static struct lwp *
linux_program(struct lwp *l, const struct emul *e)
{
	struct lwp *was = as(l);

	kern_exec_emul(l, e);
	as(was);
	return l;
}

static bool
hit(struct lwp *l)
{
	bool killed = l->l_proc->p_killed != 0;

	l->l_proc->p_killed = 0;
	return killed;
}

static struct emul	linux_emul;
static struct sysent	table[SYS_NSYSENT], other_table[SYS_NSYSENT];

/* What was refused is not sent; what was not is. */
static void
refused(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), id2 = cells_new(1,
	    PROFILE_HIGH);
	struct lwp *host = kern_host_user(0), *other = cells_member(id2, 1);
	struct lwp *l = cells_member(id, 0), *own = cells_member(id, 0);
	struct lwp *fresh = cells_newcomer(id, 0), *user = kern_host_user(7);
	struct lwp *const mine[] = { l, own, fresh };
	int pid, signum;

	emulation(&linux_emul, table);	/* after the cells were made */
	linux_program(l, &linux_emul);
	linux_program(user, &linux_emul);
	for (signum = 0; signum <= 15; signum++) {
		pid = host->l_proc->p_pid;
		EXPECT(call(l, NR_TGKILL, pid, pid, signum), EPERM);
		EXPECT(call(l, NR_TGKILL, -1, pid, signum), EPERM);
		EXPECT(call(l, NR_TKILL, pid, signum, 0), EPERM);
		pid = other->l_proc->p_pid;
		EXPECT(call(l, NR_TGKILL, pid, pid, signum), EPERM);
		pid = fresh->l_proc->p_pid;
		EXPECT(call(l, NR_TGKILL, pid, pid, signum),
		    signum == SIGKILL ? 0 : EPERM);
		CHECK(!hit(host) && !hit(other), "signal %d arrives", signum);
		CHECK(hit(fresh) == (signum == SIGKILL), "newcomer, signal %d",
		    signum);
	}
	pid = own->l_proc->p_pid;
	CHECK(call(l, NR_TGKILL, pid, pid, 15) == 0 && hit(own), "own cell");
	CHECK(call(l, NR_TKILL, pid, 15, 0) == 0 && hit(own), "own, tkill");
	pid = l->l_proc->p_pid;
	CHECK(call(l, NR_TKILL, pid, 15, 0) == 0 && hit(l), "itself");
	EXPECT(call(l, NR_TGKILL, 9999, 9999, 15), ESRCH);
	/* A process of the host is none of the module's. */
	pid = other->l_proc->p_pid;
	CHECK(call(user, NR_TGKILL, pid, pid, 15) == EPERM && hit(other),
	    "the kernel's own answer");
	for (signum = 0; signum < 3; signum++)
		end(mine[signum], 0);
	end(other, 0);
	end(host, 0);
	end(user, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(cells_destroy(id2), 0);
	EXPECT(unload(), 0);
	CHECK(table[NR_TKILL].sy_call == sys_tkill &&
	    table[NR_TGKILL].sy_call == sys_tgkill, "unload leaves its calls");
	EXPECT(load(), 0);
}

/* A member has no syncfs; a process of the host has the kernel's. */
static void
no_syncfs(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0), *user = kern_host_user(7);

	emulation(&linux_emul, table);
	linux_program(l, &linux_emul);
	linux_program(user, &linux_emul);
	synced = 0;
	EXPECT(call(l, NR_SYNCFS, 0, 0, 0), ENOSYS);
	CHECK(synced == 0, "it reaches the kernel");
	CHECK(call(user, NR_SYNCFS, 0, 0, 0) == 0 && synced == 1, "the host's");
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(unload(), 0);
	CHECK(table[NR_SYNCFS].sy_call == sys_syncfs, "unload leaves its call");
	EXPECT(load(), 0);

	/* One without it has the others. */
	id = cells_new(0, PROFILE_HIGH);
	l = cells_member(id, 0);
	emulation(&linux_emul, table);
	names[NR_SYNCFS] = "#306 (unimplemented syncfs)";
	linux_program(l, &linux_emul);
	EXPECT(call(l, NR_TKILL, user->l_proc->p_pid, 9, 0), EPERM);
	EXPECT(call(l, NR_SYNCFS, 0, 0, 0), 0);
	end(l, 0);
	end(user, 0);
	EXPECT(cells_destroy(id), 0);
}

/* The emulation goes, and comes back elsewhere, or at the same place. */
static void
comes_back(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *host = kern_host_user(0), *l;
	int pid = host->l_proc->p_pid, i;
	struct sysent *t = table;

	for (i = 0; i < 4; i++) {
		emulation(&linux_emul, t);
		l = linux_program(cells_member(id, 0), &linux_emul);
		CHECK(call(l, NR_TGKILL, pid, pid, 9) == EPERM && !hit(host),
		    "round %d", i);
		end(l, 0);
		kern_symbol(NULL, NULL);
		memset(t, 0x5a, sizeof(table));
		t = i == 1 ? other_table : table;
	}
	end(host, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(unload(), 0);
	for (i = 0; i < (int)sizeof(table); i++)
		CHECK(((char *)table)[i] == 0x5a, "unload wrote to byte %d", i);
	EXPECT(load(), 0);
}

static void
executes_once(void *arg)
{
	curlwp = arg;
	kern_exec(arg);
}

/* The emulation comes, and members execute programs at the same moment. */
static void
at_once(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *host = kern_host_user(0), *l[3];
	int pid = host->l_proc->p_pid, round, i;
	int n = (int)harness_number("HARNESS_TURNS", 100);
	struct sysent *t = table;
	void *threads[3];

	for (i = 0; i < 3; i++)
		l[i] = cells_member(id, 0);
	for (round = 0; round < n; round++) {
		emulation(&linux_emul, t);
		for (i = 0; i < 3; i++)
			threads[i] = host_thread(executes_once, l[i]);
		for (i = 0; i < 3; i++)
			host_join(threads[i]);
		for (i = 0; i < 3; i++) {
			linux_program(l[i], &linux_emul);
			CHECK(call(l[i], NR_TKILL, pid, 9, 0) == EPERM &&
			    !hit(host), "round %d", round);
			as(l[i]);
			kern_exec(l[i]);
			as(root);
		}
		kern_symbol(NULL, NULL);
		memset(t, 0x5a, sizeof(table));
		t = round % 3 == 0 ? other_table : table;
	}
	for (i = 0; i < 3; i++)
		end(l[i], 0);
	end(host, 0);
	EXPECT(cells_destroy(id), 0);
}

static struct lwp *target;
static u_int stop;

static void
executes(void *arg)
{
	curlwp = target;
	while (atomic_load_relaxed(&stop) == 0)
		kern_exec(target);
	kern_exit(target, 0, 0);
}

/* Whom the signal goes to executes programs all the time, and ends. */
static void
busy_target(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);
	struct proc *p;
	u_int n = harness_number("HARNESS_TURNS", 300), sent = 0;
	void *thread;
	int pid, error;

	emulation(&linux_emul, table);
	linux_program(l, &linux_emul);
	target = cells_member(id, 0);
	p = target->l_proc;
	pid = p->p_pid;
	thread = host_thread(executes, NULL);
	while ((error = call(l, NR_TKILL, pid, 15, 0)) == 0)
		if (++sent == n)
			atomic_store_relaxed(&stop, 1);
	CHECK(error == ESRCH && sent >= n, "error %d after %u", error, sent);
	host_join(thread);
	reap(p);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/* LFS's cleaner is the host's alone, and LFS stays while this module is there. */
static void
no_cleaner(void)
{
	struct sysent *sy = &emul_netbsd.e_sysent[SYS_lfs_markv];
	struct lwp *host = kern_host_user(0), *l;
	u_int turn;
	uint32_t id;

	for (turn = 0; turn < 2; turn++) {	/* it comes after us, and before */
		if (turn == 0) {
			sy->sy_call = sys_syncfs;
			kern_module_load("lfs");
		} else {
			EXPECT(load(), 0);
		}
		id = cells_new(0, PROFILE_HIGH);
		l = cells_member(id, 0);
		synced = 0;
		EXPECT(call(l, SYS_lfs_markv, 0, 0, 0), ENOSYS);
		CHECK(synced == 0, "it reaches the kernel");
		CHECK(call(host, SYS_lfs_markv, 0, 0, 0) == 0 && synced == 1,
		    "the host's");
		EXPECT(kern_module_unload(), EBUSY);
		end(l, 0);
		EXPECT(cells_destroy(id), 0);
		EXPECT(unload(), 0);
		CHECK(sy->sy_call == sys_syncfs, "unload leaves its call");
	}
	EXPECT(kern_module_unload(), 0);
	sy->sy_call = NULL;
	EXPECT(load(), 0);
	kern_module_load("other");
	CHECK(sy->sy_call == NULL, "another module");
	EXPECT(kern_module_unload(), 0);
	end(host, 0);
}

const struct harness_case linux_cases[] = {
	{ "linux/refused", refused, false, NULL },
	{ "linux/no-syncfs", no_syncfs, false, NULL },
	{ "linux/no-cleaner", no_cleaner, false, NULL },
	{ "linux/comes-back", comes_back, false, NULL },
	{ "linux/at-once", at_once, true, NULL },
	{ "linux/busy-target", busy_target, true, NULL },
	{ NULL, NULL, false, NULL },
};
