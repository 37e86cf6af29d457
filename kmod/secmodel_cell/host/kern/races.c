/*
 * Cases: several processors at once.  Each thread repeats a piece of the life
 * of cells so many times; HARNESS_TURNS asks for more.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"
#include "host.h"

static u_int	turns;		/* of each thread */
static u_int	stop;		/* for those that go on while others work */
static uint32_t	the_cell;

static bool
going(void)
{
	return atomic_load_relaxed(&stop) == 0;
}

/* Runs one thread for each function; each begins as a process of root's. */
static void
together(u_int times, void (*const functions[])(void *), u_int n)
{
	void *threads[8];
	struct lwp *l[8];
	u_int i;

	turns = harness_number("HARNESS_TURNS", times);
	stop = 0;
	for (i = 0; i < n; i++)
		l[i] = kern_host_user(0);
	for (i = 0; i < n; i++)
		threads[i] = host_thread(functions[i], l[i]);
	/* The last one is done first, and tells those that wait for it. */
	host_join(threads[n - 1]);
	atomic_store_relaxed(&stop, 1);
	for (i = 0; i < n - 1; i++)
		host_join(threads[i]);
	for (i = 0; i < n; i++)
		end(l[i], 0);
}

/* The thread plays that process from now on. */
static void
become(struct lwp *l)
{
	curlwp = l;
}

/* A fork, an execution, an end, and the parent's wait. */
static void
child(struct lwp *parent)
{
	struct lwp *l;
	struct proc *p;
	int error;

	if ((l = kern_fork(parent, &error)) == NULL)
		return;
	become(l);
	kern_exec(l);
	p = l->l_proc;
	kern_exit(l, 0, 0);
	become(parent);
	KASSERT(kern_wait(parent, p));
}

/* Enters the cell of the moment, if there is one, forks and ends. */
static void
member_life(struct lwp *own)
{
	struct proc *p;
	struct lwp *l;
	int error;

	if ((l = kern_fork(own, &error)) == NULL)
		return;
	become(l);
	(void)kern_chroot(l, &harness_roots[0]);
	if (cells_enter(atomic_load_relaxed(&the_cell)) == 0) {
		child(l);
		kern_exec(l);
		child(l);
		kern_setuid(l, 1000);
		child(l);
	}
	p = l->l_proc;
	kern_exit(l, 0, 0);
	become(own);
	KASSERT(kern_wait(own, p));
}

static void
members(void *arg)
{
	become(arg);
	while (going())
		member_life(arg);
}

/* Creates, lets live, kills until nobody is left, destroys. */
static void
master(void *arg)
{
	uint32_t id, n;
	u_int i;
	int error;

	become(arg);
	for (i = 0; i < turns; i++) {
		error = cells_create("busy", 0, PROFILE_HIGH, &id);
		CHECK(error == 0, "create: %d", error);
		atomic_store_relaxed(&the_cell, id);
		host_sleep(1);
		if (i % 2 == 0)
			EXPECT(cells_kill(id, SIGTERM, &n), 0);
		do {
			error = cells_kill(id, SIGKILL, &n);
			CHECK(error == 0, "kill: %d", error);
			host_yield();
		} while (n != 0 || (error = cells_destroy(id)) == EBUSY);
		CHECK(error == 0, "destroy: %d", error);
	}
}

/* A second administrator, who may come too early or too late. */
static void
rival(void *arg)
{
	struct cell_stats cs;
	struct cell_status ct;
	struct cell_policy cp;
	uint32_t id, n;

	become(arg);
	while (going()) {
		id = atomic_load_relaxed(&the_cell);
		(void)cells_kill(id, SIGKILL, &n);
		(void)cells_stats(id, &cs);
		(void)cells_status(id, &ct);
		if (cells_policy_of(id, &cp) == 0) {
			cp.cp_maxprocs = 3;
			(void)cells_policy(&cp);
		}
		(void)cells_destroy(id);
		host_yield();
	}
}

static void
reader(void *arg)
{
	struct cell_info infos[4];
	pid_t pids[32];
	uint32_t id;
	size_t n;

	become(arg);
	while (going()) {
		n = __arraycount(infos);
		(void)cells_list(infos, &n);
		id = atomic_load_relaxed(&the_cell);
		n = sizeof(pids);
		(void)kern_sysctl(curlwp, "procs", pids, &n, &id, sizeof(id));
		host_yield();
	}
}

/* Creates, and leaves the rest to the rival unless he is slow. */
static void
gently(void *arg)
{
	uint32_t id;
	u_int i;
	int error;

	become(arg);
	for (i = 0; i < turns; i++) {
		error = cells_create("busy", 0, PROFILE_HIGH, &id);
		CHECK(error == 0, "create: %d", error);
		atomic_store_relaxed(&the_cell, id);
		while ((error = cells_destroy(id)) == EBUSY)
			host_yield();
		CHECK(error == 0 || error == ENOENT, "destroy: %d", error);
	}
}

static void
life(void)
{
	void (*const functions[])(void *) = { members, members, reader,
	    master };

	together(60, functions, __arraycount(functions));
}

/* Kill and destroy of the same cell by two at once; nothing stays behind. */
static void
kill_and_destroy(void)
{
	void (*const functions[])(void *) = { rival, members, gently };

	together(150, functions, __arraycount(functions));
}

/*
 * clock_gettime(2), again: the process is found, the locks are dropped, and
 * the question comes whenever it may, by a user of the host.
 */
static void
clock_user(void *arg)
{
	struct lwp *l;
	struct proc *p;

	become(arg);
	kern_setuid(arg, 1000);
	l = curlwp;
	while (going()) {
		mutex_enter(&proc_lock);
		p = LIST_FIRST(&allproc);
		mutex_exit(&proc_lock);
		(void)kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred,
		    KAUTH_PROCESS_PTRACE, p,
		    KAUTH_ARG(KAUTH_REQ_PROCESS_CANSEE_ENTRY), NULL, NULL);
	}
}

/* The questions about every process that kill(-1, 0) and ps(1) ask. */
static void
looker(void *arg)
{
	struct proc *p;
	struct lwp *t;

	become(arg);
	kern_setuid(arg, 1000);
	while (going()) {
		mutex_enter(&proc_lock);
		LIST_FOREACH(p, &allproc, p_list) {
			mutex_enter(p->p_lock);
			(void)kern_ask(KAUTH_SCOPE_PROCESS, curlwp->l_cred,
			    KAUTH_PROCESS_SIGNAL, p, KAUTH_ARG(SIGTERM), NULL,
			    NULL);
			t = LIST_FIRST(&p->p_lwps);
			lwp_lock(t);
			(void)kern_ask(KAUTH_SCOPE_PROCESS, curlwp->l_cred,
			    KAUTH_PROCESS_SCHEDULER_SETPARAM, p, t,
			    KAUTH_ARG(SCHED_FIFO), KAUTH_ARG(1));
			lwp_unlock(t);
			mutex_exit(p->p_lock);
		}
		LIST_FOREACH(p, &zombproc, p_list) {
			mutex_enter(p->p_lock);
			(void)kern_ask(KAUTH_SCOPE_PROCESS, curlwp->l_cred,
			    KAUTH_PROCESS_KTRACE, p, NULL, NULL, NULL);
			mutex_exit(p->p_lock);
		}
		mutex_exit(&proc_lock);
		host_yield();
	}
}

static void
questions(void)
{
	void (*const functions[])(void *) = { members, looker, clock_user,
	    master };

	together(60, functions, __arraycount(functions));
}

/* A process of the cell of the moment, which outlives the case's threads. */
static void
join_cell(struct lwp *l)
{
	become(l);
	(void)kern_chroot(l, &harness_roots[3]);
	EXPECT(cells_enter(the_cell), 0);
	kern_exec(l);
}

/* Asks about its fellows without a lock, and for what it does not get. */
static void
fellow_asks(void *arg)
{
	struct lwp *l = arg;
	struct proc *p;

	join_cell(l);
	while (going()) {
		mutex_enter(&proc_lock);
		p = LIST_FIRST(&allproc);
		mutex_exit(&proc_lock);
		(void)kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred,
		    KAUTH_PROCESS_PTRACE, p,
		    KAUTH_ARG(KAUTH_REQ_PROCESS_CANSEE_ENTRY), NULL, NULL);
		(void)kern_ask(KAUTH_SCOPE_SYSTEM, l->l_cred,
		    KAUTH_SYSTEM_REBOOT, NULL, NULL, NULL, NULL);
		(void)kern_ask(KAUTH_SCOPE_VNODE, l->l_cred, ~0ULL,
		    &harness_roots[3], NULL, NULL, NULL);
	}
}

/* Its children change their credentials while others ask about them. */
static void
fellow_works(void *arg)
{
	struct lwp *l;
	struct proc *p;
	u_int i;
	int error;

	join_cell(arg);
	for (i = 0; i < turns; i++) {
		l = kern_fork(arg, &error);
		become(l);
		kern_exec(l);
		kern_setuid(l, 1000);
		kern_setuid(l, 1001);
		p = l->l_proc;
		kern_exit(l, 0, 0);
		become(arg);
		KASSERT(kern_wait(arg, p));
	}
}

static void
fellows(void)
{
	void (*const functions[])(void *) = { fellow_asks, reader,
	    fellow_works };

	the_cell = cells_new(3, PROFILE_LOW);
	together(600, functions, __arraycount(functions));
	EXPECT(cells_destroy(the_cell), 0);
}

/* Binds while cells come and go that reserve the ports. */
static void
binder(void *arg)
{
	struct socket *so;
	u_int i;

	become(arg);
	for (i = 0; going(); i++) {
		so = kern_socket(curlwp, i % 2 == 0 ? AF_INET : AF_INET6,
		    i % 3 == 0 ? SOCK_STREAM : SOCK_DGRAM);
		(void)kern_bind(curlwp, so, (struct kern_bind){
		    .addr = i % 2, .port = i % 4 == 0 ? 0 : 8080,
		    .connects = i % 5 == 0 });
		kern_soclose(so);
	}
}

static void
binding_user(void *arg)
{
	become(arg);
	kern_setuid(arg, 1000);
	binder(arg);
}

static void
binding_member(void *arg)
{
	uint32_t id;

	become(arg);
	EXPECT(cells_create("binder", 1, PROFILE_HIGH, &id), 0);
	(void)kern_chroot(arg, &harness_roots[1]);
	EXPECT(cells_enter(id), 0);
	binder(arg);
}

static void
reserver(void *arg)
{
	struct cell_policy cp;
	uint32_t id;
	u_int i;

	become(arg);
	for (i = 0; i < turns; i++) {
		EXPECT(cells_create("ports", 0, PROFILE_HIGH, &id), 0);
		EXPECT(cells_policy_of(id, &cp), 0);
		cp.cp_nports = 1;
		cp.cp_ports[0].cp_port = 8080;
		EXPECT(cells_policy(&cp), 0);
		host_yield();
		EXPECT(cells_destroy(id), 0);
	}
}

static void
binds(void)
{
	void (*const functions[])(void *) = { binding_user, binding_member,
	    reserver };
	struct cell_info ci;
	size_t n = 1;

	together(300, functions, __arraycount(functions));
	EXPECT(cells_list(&ci, &n), 0);
	EXPECT(cells_destroy(ci.ci_id), 0);
}

/* Who reserves a port, and writes the same again, has it all the time. */
static u_int	refusals, got;

static void
bind_reserved(void *arg)
{
	struct socket *so;

	become(arg);
	kern_setuid(arg, 1000);
	while (going()) {
		so = kern_socket(curlwp, AF_INET, SOCK_DGRAM);
		if (kern_bind(curlwp, so, (struct kern_bind){ .port = 8080 }) ==
		    EACCES)
			refusals++;
		else
			got++;
		kern_soclose(so);
	}
}

static void
write_again(void *arg)
{
	struct cell_policy cp;
	u_int i;

	become(arg);
	EXPECT(cells_policy_of(the_cell, &cp), 0);
	for (i = 0; i < turns; i++)
		EXPECT(cells_policy(&cp), 0);
	host_sleep(1);
}

static void
reserved_again(void)
{
	void (*const functions[])(void *) = { bind_reserved, write_again };
	struct cell_policy cp;

	the_cell = cells_new(0, PROFILE_HIGH);
	EXPECT(cells_policy_of(the_cell, &cp), 0);
	cp.cp_nports = 2;
	cp.cp_ports[0].cp_port = 8080;
	cp.cp_ports[1].cp_port = 80;
	EXPECT(cells_policy(&cp), 0);
	refusals = got = 0;
	together(20000, functions, __arraycount(functions));
	CHECK(got == 0 && refusals > 0, "bound %u of %u times", got,
	    got + refusals);
	EXPECT(cells_destroy(the_cell), 0);
}

/* Unload while somebody creates: it is refused, or nothing is left. */
static void
unloader(void *arg)
{
	u_int i;

	become(arg);
	for (i = 0; i < turns; i++) {
		if (unload() == 0)
			EXPECT(load(), 0);
		host_yield();
	}
}

static void
creator(void *arg)
{
	struct cell_info infos[4];
	uint32_t id;
	size_t n;

	become(arg);
	while (going()) {
		/* While the module is loaded, nodes come one by one. */
		if (cells_create("brief", 2, PROFILE_HIGH, &id) == 0)
			while (cells_destroy(id) != 0)
				host_yield();
		n = __arraycount(infos);
		(void)cells_list(infos, &n);
	}
}

static void
unloads(void)
{
	void (*const functions[])(void *) = { creator, unloader };

	together(60, functions, __arraycount(functions));
}

const struct harness_case race_cases[] = {
	{ "races/life", life, true, NULL },
	{ "races/questions", questions, true, NULL },
	{ "races/fellows", fellows, true, NULL },
	{ "races/kill-and-destroy", kill_and_destroy, true, NULL },
	{ "races/binds", binds, true, NULL },
	{ "races/reserved-again", reserved_again, true, NULL },
	{ "races/unload", unloads, true, NULL },
	{ NULL, NULL, false, NULL },
};
