/*
 * Cases: what any user of a cell, or of the host, could do to panic a kernel
 * with the first edition of the module, in the kernel's own steps.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"

static int
ask_process(struct lwp *l, kauth_action_t action, struct proc *p, void *arg1)
{
	return kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred, action, p, arg1,
	    NULL, NULL);
}

/*
 * ktrace(2) of a process group: ktrops() asks about each of its processes,
 * those too that have ended, with these locks.
 */
static void
ktrace_zombie(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0), *child;
	struct proc *zombie;
	int error;

	as(l);
	child = kern_fork(l, &error);
	CHECK(child != NULL, "fork: %d", error);
	zombie = leave_zombie(child, 0);
	mutex_enter(&proc_lock);
	mutex_enter(zombie->p_lock);
	mutex_enter(&ktrace_lock);
	(void)ask_process(l, KAUTH_PROCESS_KTRACE, zombie, NULL);
	mutex_exit(&ktrace_lock);
	mutex_exit(zombie->p_lock);
	mutex_exit(&proc_lock);
	as(root);
	reap(zombie);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/*
 * clock_gettime(2) of another process: clock_gettime1() finds it, drops every
 * lock, and then asks about it.  By then it has ended, or is no more.
 */
static void
clock_gettime(struct lwp *l, struct lwp *target, bool reaped)
{
	struct proc *p, *zombie;

	as(l);
	mutex_enter(&proc_lock);
	p = proc_find(target->l_proc->p_pid);
	mutex_exit(&proc_lock);
	as(root);
	zombie = leave_zombie(target, 0);
	if (reaped)
		reap(zombie);
	as(l);
	(void)ask_process(l, KAUTH_PROCESS_PTRACE, p,
	    KAUTH_ARG(KAUTH_REQ_PROCESS_CANSEE_ENTRY));
	as(root);
	if (!reaped)
		reap(zombie);
}

static void
clock_gettime_zombie(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);
	int error;

	as(l);
	clock_gettime(l, kern_fork(l, &error), false);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

static void
clock_gettime_reaped(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);

	clock_gettime(l, spawn(l), true);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

static void
clock_gettime_host(void)
{
	struct lwp *l = kern_host_user(1000);

	clock_gettime(l, kern_host_user(1000), true);
	end(l, 0);
}

/* sched_setparam(2): do_sched_setparam() asks with the target's spin mutex. */
static void
setparam(struct lwp *l, struct lwp *target)
{
	struct proc *p = target->l_proc;

	as(l);
	mutex_enter(p->p_lock);
	lwp_lock(target);
	(void)kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred,
	    KAUTH_PROCESS_SCHEDULER_SETPARAM, p, target,
	    KAUTH_ARG(SCHED_FIFO), KAUTH_ARG(63));
	lwp_unlock(target);
	mutex_exit(p->p_lock);
	as(root);
}

static void
setparam_host(void)
{
	struct lwp *l = kern_host_user(1000);

	setparam(l, l);
	end(l, 0);
}

/* Denied, which is counted and logged, still with the spin mutex. */
static void
setparam_cell(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0), *user = kern_host_user(1000);

	setparam(l, l);
	setparam(l, root);
	setparam(user, l);
	end(user, 0);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/* setuid(2) copies the credential with p_lock held: no memory then. */
static void
setuid_memory(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);

	as(l);
	kern_setuid(l, 1000);
	as(root);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/* bind(2) to port 0 asks with the socket's lock held: no memory then. */
static void
bind_memory(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);
	struct socket *so;
	int error;

	as(l);
	so = kern_socket(l, AF_INET, SOCK_DGRAM);
	error = kern_bind(l, so, (struct kern_bind){ 0 });
	CHECK(error == 0, "bind: %d", error);
	kern_soclose(so);
	as(root);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

const struct harness_case panic_cases[] = {
	{ "panic/ktrace-zombie", ktrace_zombie, false, NULL },
	{ "panic/clock-gettime-zombie", clock_gettime_zombie, false, NULL },
	{ "panic/clock-gettime-reaped", clock_gettime_reaped, false, NULL },
	{ "panic/clock-gettime-host", clock_gettime_host, false, NULL },
	{ "panic/setparam-host", setparam_host, false, NULL },
	{ "panic/setparam-cell", setparam_cell, false, NULL },
	{ "panic/setuid-memory", setuid_memory, false, NULL },
	{ "panic/bind-memory", bind_memory, false, NULL },
	{ NULL, NULL, false, NULL },
};
