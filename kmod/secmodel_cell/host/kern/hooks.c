/*
 * Cases: every question of kauth(9) that the kernel asks with locks held or
 * about another process, with exactly those locks, from every kind of caller
 * about every kind of process.
 *
 * The table follows the callers in NetBSD 10.99.12; a listener may count on
 * nothing but what stands here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"

/* What the caller of kauth(9) holds, in the order in which it takes it. */
#define	PROC	1	/* proc_lock */
#define	P	2	/* the target's p_lock */
#define	KTRACE	4	/* ktrace_lock */
#define	REFLOCK	8	/* the target's p_reflock, for reading */
#define	SPIN	16	/* the lock of the target's thread: a spin mutex */
#define	OWN	32	/* the caller's own process's p_lock; it is the target */

static const struct hook {
	const char	*function;
	u_int		locks;
	kauth_action_t	action;
	uintptr_t	arg1;
	bool		zombies;	/* is asked about them, too */
} hooks[] = {
	{ "killpg1", PROC | P, KAUTH_PROCESS_SIGNAL, SIGTERM, true },
	{ "kill1", PROC | P, KAUTH_PROCESS_SIGNAL, SIGKILL, false },
	{ "filt_procattach", P, KAUTH_PROCESS_KEVENT_FILTER, 0, false },
	{ "ktrcanset", PROC | P | KTRACE, KAUTH_PROCESS_KTRACE, 0, true },
	{ "ktrops", PROC | P | KTRACE, KAUTH_PROCESS_KTRACE,
	    KAUTH_REQ_PROCESS_KTRACE_PERSISTENT, true },
	{ "sysctl_doeproc", PROC | P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_EPROC, true },
	{ "sysctl_kern_proc_args", PROC | P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_ENV, false },
	{ "sysctl_kern_proc_args", PROC | P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_ARGS, false },
	{ "proc_find_locked", P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_ENTRY, false },
	{ "procfs_root_readdir_callback", PROC, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_ENTRY, true },
	{ "procfs_getattr", REFLOCK | P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_ENTRY, false },
	{ "procfs_readdir", REFLOCK, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_OPENFILES, false },
	{ "get_expose_address", PROC | P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_KPTR, true },
	{ "sysctl_kern_file2", PROC | P, KAUTH_PROCESS_CANSEE,
	    KAUTH_REQ_PROCESS_CANSEE_OPENFILES, false },
	{ "sysctl_proc_corename", REFLOCK, KAUTH_PROCESS_CORENAME, 0, false },
	{ "sysctl_proc_stop", REFLOCK, KAUTH_PROCESS_STOPFLAG, 0, false },
	{ "sysctl_proc_plimit", REFLOCK, KAUTH_PROCESS_RLIMIT,
	    KAUTH_REQ_PROCESS_RLIMIT_GET, false },
	{ "fork1", 0, KAUTH_PROCESS_RLIMIT, KAUTH_REQ_PROCESS_RLIMIT_BYPASS,
	    false },
	{ "donice", PROC | P, KAUTH_PROCESS_NICE, 10, false },
	{ "do_sched_setparam", P | SPIN, KAUTH_PROCESS_SCHEDULER_SETPARAM, 0,
	    false },
	{ "do_sched_getparam", P, KAUTH_PROCESS_SCHEDULER_GETPARAM, 0,
	    false },
	{ "sys__sched_setaffinity", P, KAUTH_PROCESS_SCHEDULER_SETAFFINITY,
	    0, false },
	{ "sys__sched_getaffinity", P, KAUTH_PROCESS_SCHEDULER_GETAFFINITY,
	    0, false },
	{ "do_ptrace", PROC | P, KAUTH_PROCESS_PTRACE, 10, false },
	{ "clock_gettime1", 0, KAUTH_PROCESS_PTRACE,
	    KAUTH_REQ_PROCESS_CANSEE_ENTRY, true },
	{ "do_setresuid", OWN, KAUTH_PROCESS_SETID, 0, false },
	{ "a later kernel", PROC | P, 4711, 0, true },
};

static void
take(const struct hook *h, struct proc *p, struct lwp *l)
{
	if ((h->locks & PROC) != 0)
		mutex_enter(&proc_lock);
	if ((h->locks & REFLOCK) != 0)
		rw_enter(&p->p_reflock, RW_READER);
	if ((h->locks & (P | OWN)) != 0)
		mutex_enter(p->p_lock);
	if ((h->locks & KTRACE) != 0)
		mutex_enter(&ktrace_lock);
	if ((h->locks & SPIN) != 0)
		lwp_lock(l);
}

static void
drop(const struct hook *h, struct proc *p, struct lwp *l)
{
	if ((h->locks & SPIN) != 0)
		lwp_unlock(l);
	if ((h->locks & KTRACE) != 0)
		mutex_exit(&ktrace_lock);
	if ((h->locks & (P | OWN)) != 0)
		mutex_exit(p->p_lock);
	if ((h->locks & REFLOCK) != 0)
		rw_exit(&p->p_reflock);
	if ((h->locks & PROC) != 0)
		mutex_exit(&proc_lock);
}

/* The second argument is the thread where a scheduler's request has one. */
static int
ask(const struct hook *h, struct lwp *l, struct proc *p, struct lwp *target)
{
	struct rlimit limit = { 1, 1 };
	void *arg1 = KAUTH_ARG(h->arg1);
	int r;

	as(l);
	take(h, p, target);
	if (h->action == KAUTH_PROCESS_SCHEDULER_SETPARAM)
		arg1 = target;
	r = kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred, h->action, p, arg1,
	    h->action == KAUTH_PROCESS_RLIMIT ? (void *)&limit :
	    KAUTH_ARG(SCHED_FIFO), KAUTH_ARG(1));
	drop(h, p, target);
	as(root);
	return r;
}

/* Of the first cell, but for the host's and the stranger. */
enum who { HOST, USER, MEMBER, MEMBER_USER, NEWCOMER, CHILD, STRANGER, DYING,
    ZOMBIE, NEW_ZOMBIE, WHO };
static const char *const who_names[WHO] = { "root", "a user", "a member",
    "a member's user", "a newcomer", "a newcomer's child", "another cell's",
    "a killed cell's", "a zombie", "a newcomer's zombie" };

/* The cell that each belongs to; 0 is the host. */
static const u_int cell_of_who[WHO] = { 0, 0, 1, 1, 1, 1, 2, 3, 1, 1 };

static uint32_t		cells[3];
static struct lwp	*threads[WHO];
static struct proc	*procs[WHO];

static void
people(void)
{
	struct lwp *l;
	uint32_t n;
	int i, error;

	for (i = 0; i < 3; i++)
		cells[i] = cells_new((u_int)i, PROFILE_LOW);
	threads[HOST] = kern_host_user(0);
	threads[USER] = kern_host_user(1000);
	threads[MEMBER] = cells_member(cells[0], 0);
	threads[MEMBER_USER] = cells_member(cells[0], 0);
	as(threads[MEMBER_USER]);
	kern_setuid(curlwp, 1000);
	threads[NEWCOMER] = cells_newcomer(cells[0], 0);
	as(threads[NEWCOMER]);
	threads[CHILD] = kern_fork(curlwp, &error);
	l = kern_fork(curlwp, &error);
	as(root);
	threads[STRANGER] = cells_member(cells[1], 1);
	threads[DYING] = cells_member(cells[2], 2);
	EXPECT(cells_kill(cells[2], SIGKILL, &n), 0);
	for (i = 0; i < ZOMBIE; i++)
		procs[i] = threads[i]->l_proc;
	threads[NEW_ZOMBIE] = l;
	procs[NEW_ZOMBIE] = leave_zombie(l, 0);
	threads[ZOMBIE] = l = spawn(threads[MEMBER]);
	procs[ZOMBIE] = leave_zombie(l, 0);
	as(root);
}

static void
people_go(void)
{
	int i;

	reap(procs[ZOMBIE]);
	reap(procs[NEW_ZOMBIE]);
	for (i = 0; i < ZOMBIE; i++)
		end(threads[i], 0);
	for (i = 0; i < 3; i++)
		EXPECT(cells_destroy(cells[i]), 0);
}

static bool
can_ask(const struct hook *h, enum who target, enum who caller)
{
	if ((h->locks & OWN) != 0 || strcmp(h->function, "fork1") == 0)
		return target == caller;
	return target < ZOMBIE || h->zombies;
}

/*
 * Nobody but the host's root reaches from one cell into another, or a cell
 * from the host, and no cell reaches the host, whatever is asked.
 */
static void
process_hooks(void)
{
	const struct hook *h;
	enum who a, b;
	int r;

	people();
	for (h = hooks; h < hooks + __arraycount(hooks); h++)
		for (a = HOST; a < ZOMBIE; a++)
			for (b = HOST; b < WHO; b++) {
				if (!can_ask(h, b, a))
					continue;
				r = ask(h, threads[a], procs[b], threads[b]);
				/* Without a lock, nobody can know an ended one. */
				if (h->locks == 0 && b >= ZOMBIE && a == USER)
					continue;
				if (a == HOST || (cell_of_who[a] == 0 &&
				    cell_of_who[b] == 0))
					CHECK(r == KAUTH_RESULT_ALLOW,
					    "%s: %s about %s: %d", h->function,
					    who_names[a], who_names[b], r);
				else if (cell_of_who[a] != cell_of_who[b])
					CHECK(r == KAUTH_RESULT_DENY,
					    "%s: %s about %s: %d", h->function,
					    who_names[a], who_names[b], r);
			}
	people_go();
}

/* What still has the host's memory and files is nobody's to touch. */
static void
newcomers(void)
{
	const struct hook *h;
	enum who b;
	int r, want;

	people();
	for (h = hooks; h < hooks + __arraycount(hooks); h++) {
		if (!can_ask(h, NEWCOMER, MEMBER))
			continue;
		want = h->action == KAUTH_PROCESS_SIGNAL &&
		    h->arg1 == SIGKILL ? KAUTH_RESULT_ALLOW :
		    KAUTH_RESULT_DENY;
		for (b = NEWCOMER; b <= CHILD; b++) {
			r = ask(h, threads[MEMBER], procs[b], threads[b]);
			CHECK(r == want, "%s: a member about %s: %d",
			    h->function, who_names[b], r);
		}
	}
	people_go();
}

/* Unknown requests are refused in every scope, known or not by their number. */
static void
unknown(void)
{
	static const char *const scopes[] = { KAUTH_SCOPE_SYSTEM,
	    KAUTH_SCOPE_NETWORK, KAUTH_SCOPE_DEVICE, KAUTH_SCOPE_MACHDEP,
	    KAUTH_SCOPE_GENERIC, KAUTH_SCOPE_PROCESS };
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);
	size_t i;
	int r;

	as(l);
	for (i = 0; i < __arraycount(scopes); i++) {
		r = kern_ask(scopes[i], l->l_cred, 4711, curproc, NULL, NULL,
		    NULL);
		CHECK(r == KAUTH_RESULT_DENY, "%s: %d", scopes[i], r);
	}
	r = kern_ask(KAUTH_SCOPE_SYSTEM, l->l_cred, KAUTH_SYSTEM_MOUNT,
	    KAUTH_ARG(4711), NULL, NULL, NULL);
	CHECK(r == KAUTH_RESULT_DENY, "an unknown request to mount: %d", r);
	as(root);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/* ptsopen() asks about a terminal that is open with a spin mutex held. */
static void
terminals(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *callers[] = { cells_member(id, 0), kern_host_user(1000) };
	const dev_t devices[] = { harness_device("pts", 3),
	    harness_device("cons", 0) };
	struct tty tty;
	size_t i, j;

	for (i = 0; i < __arraycount(callers); i++)
		for (j = 0; j < __arraycount(devices); j++) {
			as(callers[i]);
			tty.t_dev = devices[j];
			mutex_spin_enter(&tty_lock);
			(void)kern_ask(KAUTH_SCOPE_DEVICE, curlwp->l_cred,
			    KAUTH_DEVICE_TTY_OPEN, &tty, NULL, NULL, NULL);
			mutex_spin_exit(&tty_lock);
			as(root);
		}
	for (i = 0; i < __arraycount(callers); i++)
		end(callers[i], 0);
	EXPECT(cells_destroy(id), 0);
}

static int
ask_node(struct lwp *l, const char *driver, int minor, enum vtype type)
{
	struct vnode vn = { .v_type = type, .v_tag = VT_UFS,
	    .v_rdev = harness_device(driver, minor), .v_usecount = 1 };
	int r;

	as(l);
	r = kern_ask(KAUTH_SCOPE_DEVICE, l->l_cred, KAUTH_DEVICE_RAWIO_SPEC,
	    KAUTH_ARG(KAUTH_REQ_DEVICE_RAWIO_SPEC_RW), &vn, NULL, NULL);
	as(root);
	return r;
}

/* spec_open() asks about the node, whose lock is the file system's. */
static void
devices(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l = cells_member(id, 0);

	EXPECT(ask_node(l, "mem", DEV_NULL, VCHR), KAUTH_RESULT_ALLOW);
	EXPECT(ask_node(l, "mem", DEV_MEM, VCHR), KAUTH_RESULT_DENY);
	EXPECT(ask_node(l, "mem", DEV_NULL, VBLK), KAUTH_RESULT_DENY);
	EXPECT(ask_node(l, "wd", 0, VCHR), KAUTH_RESULT_DENY);
	EXPECT(ask_node(l, "pts", 1, VCHR), KAUTH_RESULT_DENY);
	EXPECT(ask_node(root, "wd", 0, VCHR), KAUTH_RESULT_ALLOW);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/* Each scope has the answers of its own rows. */
static void
scopes(void)
{
	uint32_t high = cells_new(0, PROFILE_HIGH), low = cells_new(1,
	    PROFILE_LOW);
	struct lwp *l = cells_member(high, 0), *open = cells_member(low, 1);
	static const struct {
		const char	*scope;
		kauth_action_t	action;
		bool		high, low;	/* denied there */
	} asked[] = {
		{ KAUTH_SCOPE_MACHDEP, KAUTH_MACHDEP_IOPL, true, false },
		{ KAUTH_SCOPE_GENERIC, KAUTH_GENERIC_ISSUSER, false, false },
		{ KAUTH_SCOPE_GENERIC, 0x7fff, true, true },
		{ KAUTH_SCOPE_SYSTEM, KAUTH_SYSTEM_REBOOT, true, false },
		{ KAUTH_SCOPE_DEVICE, KAUTH_DEVICE_RAWIO_PASSTHRU, true,
		    false },
		{ KAUTH_SCOPE_NETWORK, KAUTH_NETWORK_FIREWALL, true, false },
	};
	size_t i;

	for (i = 0; i < __arraycount(asked); i++) {
		CHECK((kern_ask(asked[i].scope, l->l_cred, asked[i].action,
		    NULL, NULL, NULL, NULL) == KAUTH_RESULT_DENY) ==
		    asked[i].high, "%s at high", asked[i].scope);
		CHECK((kern_ask(asked[i].scope, open->l_cred,
		    asked[i].action, NULL, NULL, NULL, NULL) ==
		    KAUTH_RESULT_DENY) == asked[i].low, "%s at low",
		    asked[i].scope);
	}
	end(l, 0);
	end(open, 0);
	EXPECT(cells_destroy(high), 0);
	EXPECT(cells_destroy(low), 0);
}

/* What the policy lists is open, and its siblings are not. */
static void
listed(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), none = cells_new(1,
	    PROFILE_HIGH);
	const dev_t wd = harness_device("wd", 3), cons = harness_device("cons",
	    0);
	struct cell_policy cp;
	struct tty tty = { .t_dev = cons };
	struct lwp *l, *other;
	size_t n = CELL_POLICY_SIZE_2;
	char old[CELL_POLICY_SIZE_2];

	EXPECT(cells_policy_of(id, &cp), 0);
	EXPECT(kern_sysctl(curlwp, "policy", old, &n, &id, sizeof(id)), 0);
	CHECK(n == sizeof(old) && memcmp(old, &cp, n) == 0, "%zu bytes", n);
	EXPECT(kern_sysctl(curlwp, "policy", NULL, NULL, old, sizeof(old)), 0);
	cp.cp_ndevices = 2;
	cp.cp_devices[0] = (struct cell_device){ CELL_DEVICE_CHARACTER,
	    { 0 }, (uint32_t)major(wd), (uint32_t)minor(wd) };
	cp.cp_devices[1] = (struct cell_device){ CELL_DEVICE_CHARACTER,
	    { 0 }, (uint32_t)major(cons), (uint32_t)minor(cons) };
	EXPECT(cells_policy(&cp), 0);
	EXPECT(kern_sysctl(curlwp, "policy", old, &n, &id, sizeof(id)),
	    ENOMEM);
	l = cells_member(id, 0);
	other = cells_member(none, 1);
	as(root);
	EXPECT(kern_sysctl(curlwp, "policy", NULL, NULL, old, sizeof(old)),
	    EBUSY);
	cp.cp_maxprocs = 9;
	EXPECT(cells_policy(&cp), 0);
	EXPECT(ask_node(l, "wd", 3, VCHR), KAUTH_RESULT_ALLOW);
	EXPECT(ask_node(l, "wd", 2, VCHR), KAUTH_RESULT_DENY);
	EXPECT(ask_node(l, "wd", 3, VBLK), KAUTH_RESULT_DENY);
	EXPECT(ask_node(l, "mem", 3, VCHR), KAUTH_RESULT_DENY);
	EXPECT(ask_node(other, "wd", 3, VCHR), KAUTH_RESULT_DENY);
	EXPECT(kern_ask(KAUTH_SCOPE_DEVICE, l->l_cred, KAUTH_DEVICE_TTY_OPEN,
	    &tty, NULL, NULL, NULL), KAUTH_RESULT_ALLOW);
	EXPECT(kern_ask(KAUTH_SCOPE_DEVICE, other->l_cred,
	    KAUTH_DEVICE_TTY_OPEN, &tty, NULL, NULL, NULL), KAUTH_RESULT_DENY);
	end(l, 0);
	end(other, 0);
	EXPECT(cells_destroy(id), 0);
	EXPECT(cells_destroy(none), 0);
}

/* A path's components, for the host, a cell, and one that is being killed. */
static void
vnodes(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), n;
	struct lwp *l = cells_member(id, 0), *user = kern_host_user(1000);
	int bit;

	for (bit = 0; bit < 64; bit++) {
		as(user);
		EXPECT(kern_ask(KAUTH_SCOPE_VNODE, user->l_cred, 1ULL << bit,
		    &harness_roots[0], NULL, NULL, NULL), KAUTH_RESULT_ALLOW);
		as(l);
		(void)kern_ask(KAUTH_SCOPE_VNODE, l->l_cred, 1ULL << bit,
		    &harness_roots[0], NULL, NULL, NULL);
		as(root);
	}
	EXPECT(cells_kill(id, SIGKILL, &n), 0);
	for (bit = 0; bit < 64; bit++) {
		as(l);
		EXPECT(kern_ask(KAUTH_SCOPE_VNODE, l->l_cred, 1ULL << bit,
		    &harness_roots[0], NULL, NULL, NULL), KAUTH_RESULT_DENY);
		as(root);
	}
	end(l, 0);
	end(user, 0);
	EXPECT(cells_destroy(id), 0);
}

const struct harness_case hook_cases[] = {
	{ "hooks/process", process_hooks, false, NULL },
	{ "hooks/newcomers", newcomers, false, NULL },
	{ "hooks/unknown", unknown, false, NULL },
	{ "hooks/terminals", terminals, false, NULL },
	{ "hooks/devices", devices, false, NULL },
	{ "hooks/listed", listed, false, NULL },
	{ "hooks/scopes", scopes, false, NULL },
	{ "hooks/vnodes", vnodes, false, NULL },
	{ NULL, NULL, false, NULL },
};
