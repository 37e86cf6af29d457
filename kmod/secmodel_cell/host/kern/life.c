/*
 * Cases: the life of cells, one step after the other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"

static void
one_cell(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH), n = 0;
	struct lwp *first = cells_newcomer(id, 0), *child;
	struct cell_status ct;
	struct cell_stats cs;
	struct proc *p;

	as(root);
	EXPECT(cells_destroy(id), EBUSY);
	CHECK(cells_status(id, &ct) == 0 && ct.ct_state ==
	    CELL_STATE_RUNNING && ct.ct_pid == first->l_proc->p_pid,
	    "state %u, first %d", ct.ct_state, ct.ct_pid);
	as(first);
	kern_exec(first);
	child = spawn(first);
	as(root);
	CHECK(cells_stats(id, &cs) == 0 && cs.cs_procs == 2, "%llu members",
	    (unsigned long long)cs.cs_procs);
	CHECK(cells_kill(id, SIGTERM, &n) == 0 && n == 2, "%u signalled", n);
	end(child, 0);
	p = leave_zombie(first, 7);
	CHECK(cells_status(id, &ct) == 0 && ct.ct_state == CELL_STATE_ENDED &&
	    ct.ct_status == W_EXITCODE(7, 0), "state %u, status %#x",
	    ct.ct_state, ct.ct_status);
	EXPECT(cells_destroy(id), EBUSY);
	reap(p);
	EXPECT(cells_destroy(id), 0);
	EXPECT(cells_destroy(id), ENOENT);
}

static void
refusals(void)
{
	struct lwp *user = kern_host_user(1000), *member, *other;
	uint32_t id = cells_new(0, PROFILE_HIGH), id2 = 0, n;
	struct cell_policy cp;

	EXPECT(cells_create("cell-0", 1, PROFILE_LOW, &id2), EEXIST);
	EXPECT(cells_create("nowhere", 9, PROFILE_LOW, &id2), ENOENT);
	id2 = cells_new(1, PROFILE_LOW);
	CHECK(id2 == id + 1, "ids %u, %u", id, id2);
	EXPECT(cells_enter(id), EPERM);
	as(user);
	EXPECT(cells_destroy(id), EPERM);
	EXPECT(cells_enter(id), EPERM);
	member = cells_member(id, 0);
	as(member);
	EXPECT(cells_enter(id2), EPERM);
	EXPECT(cells_kill(id, SIGKILL, &n), EPERM);
	as(root);
	CHECK(cells_policy_of(id, &cp) == 0, "no policy");
	cp.cp_network = CELL_NETWORK_NONE;
	EXPECT(cells_policy(&cp), EBUSY);
	other = cells_member(id2, 1);
	as(other);
	EXPECT(kern_kill(other, member->l_proc->p_pid, SIGTERM), EPERM);
	as(root);
	EXPECT(unload(), EBUSY);
	end(user, 0);
	end(member, 0);
	end(other, 0);
	CHECK(cells_destroy(id) == 0 && cells_destroy(id2) == 0, "destroy");
}

static void
limit(void)
{
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct lwp *l[4];
	struct cell_policy cp;
	int i;

	CHECK(cells_policy_of(id, &cp) == 0, "no policy");
	cp.cp_maxprocs = 2;
	EXPECT(cells_policy(&cp), 0);
	l[0] = cells_member(id, 0);
	l[1] = spawn(l[0]);
	CHECK(l[1] != NULL && spawn(l[0]) == NULL, "the limit is 2");
	as(root);
	cp.cp_maxprocs = 3;
	EXPECT(cells_policy(&cp), 0);
	l[2] = spawn(l[1]);
	CHECK(l[2] != NULL && spawn(l[0]) == NULL, "the limit is 3");
	as(root);
	for (i = 0; i < 3; i++)
		end(l[i], 0);
	EXPECT(cells_destroy(id), 0);
}

/*
 * fork(2) asks whether it may exceed a limit before it looks whether it does: that
 * is denied, and no denial that anybody would look for.  One that is asked for is.
 */
static void
asked_before(void)
{
	static const struct rlimit limit = { 1, 1 };
	uint32_t id = cells_new(0, PROFILE_HIGH);
	struct cell_stats before, after;
	struct cell_policy cp;
	struct lwp *l;

	CHECK(cells_policy_of(id, &cp) == 0, "no policy");
	cp.cp_permissions = 0;
	EXPECT(cells_policy(&cp), 0);
	l = cells_member(id, 0);
	as(root);
	EXPECT(cells_stats(id, &before), 0);
	as(l);
	EXPECT(kern_ask(KAUTH_SCOPE_PROCESS, l->l_cred, KAUTH_PROCESS_RLIMIT,
	    l->l_proc, KAUTH_ARG(KAUTH_REQ_PROCESS_RLIMIT_BYPASS),
	    __UNCONST(&limit), KAUTH_ARG(1)), EPERM);
	EXPECT(kern_ask(KAUTH_SCOPE_SYSTEM, l->l_cred, KAUTH_SYSTEM_FS_QUOTA,
	    KAUTH_ARG(KAUTH_REQ_SYSTEM_FS_QUOTA_NOLIMIT), NULL, NULL, NULL),
	    EPERM);
	as(root);
	EXPECT(cells_stats(id, &after), 0);
	CHECK(memcmp(before.cs_denials, after.cs_denials,
	    sizeof(after.cs_denials)) == 0, "a question is counted as denied");
	as(l);
	EXPECT(kern_ask(KAUTH_SCOPE_SYSTEM, l->l_cred,
	    KAUTH_SYSTEM_FS_RESERVEDSPACE, NULL, NULL, NULL, NULL), EPERM);
	as(root);
	EXPECT(cells_stats(id, &after), 0);
	CHECK(memcmp(before.cs_denials, after.cs_denials,
	    sizeof(after.cs_denials)) != 0, "a denial is not counted");
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
}

/* Everything that goes over members, while one of them is only half made. */
static uint32_t half_cell;

static void
look_at_half(void)
{
	struct lwp *was = as(root);
	struct cell_info ci = { 0 };
	uint32_t sent = 0;
	pid_t pids[4];
	size_t n = 1, size = sizeof(pids);

	CHECK(cells_list(&ci, &n) == 0 && ci.ci_proc_current == 2 &&
	    ci.ci_memory_current == 4096, "list: %llu processes, %llu bytes",
	    (unsigned long long)ci.ci_proc_current,
	    (unsigned long long)ci.ci_memory_current);
	CHECK(kern_sysctl(curlwp, "procs", pids, &size, &half_cell,
	    sizeof(half_cell)) == 0 && size == 2 * sizeof(pids[0]),
	    "procs: %zu bytes", size);
	CHECK(cells_kill(half_cell, SIGTERM, &sent) == 0 && sent == 2,
	    "kill: %u", sent);
	EXPECT(cells_destroy(half_cell), EBUSY);
	as(was);
}

static void
half_made(void)
{
	struct lwp *l, *child;
	int i;

	half_cell = cells_new(0, PROFILE_HIGH);
	l = cells_member(half_cell, 0);
	for (i = 0; i < 2; i++) {	/* in fresh memory, and in used one */
		harness_half_made = look_at_half;
		child = spawn(l);
		harness_half_made = NULL;
		as(root);
		end(child, 0);
	}
	end(l, 0);
	EXPECT(cells_destroy(half_cell), 0);
}

/* Killed, a cell ends: nobody enters, nobody forks, and it can be destroyed. */
static void
killed(void)
{
	uint32_t id = cells_new(0, PROFILE_LOW), n = 0;
	struct lwp *l = cells_member(id, 0), *late = kern_host_user(0);
	struct cell_stats cs;

	as(root);
	CHECK(cells_kill(id, SIGKILL, &n) == 0 && n == 1, "%u killed", n);
	CHECK(l->l_proc->p_killed != 0, "no signal");
	CHECK(cells_stats(id, &cs) == 0 &&
	    (cs.cs_flags & CELL_STATS_DYING) != 0, "not dying");
	CHECK(spawn(l) == NULL, "a dying cell forks");
	as(late);
	(void)kern_chroot(late, &harness_roots[0]);
	EXPECT(cells_enter(id), EBUSY);
	as(root);
	end(l, 0);
	end(late, 0);
	CHECK(cells_kill(id, SIGKILL, &n) == 0 && n == 0, "%u killed", n);
	EXPECT(cells_destroy(id), 0);
}

/* A credential can outlive its cell, and then the module. */
static void
credential_stays(void)
{
	uint32_t id = cells_new(0, PROFILE_LOW);
	struct lwp *l = cells_member(id, 0);
	struct socket *so, *so2;

	as(l);
	so = kern_socket(l, AF_INET, SOCK_STREAM);
	kern_setuid(l, 1000);
	so2 = kern_socket(l, AF_INET, SOCK_STREAM);
	as(root);
	end(l, 0);
	EXPECT(cells_destroy(id), 0);
	CHECK(kern_ask(KAUTH_SCOPE_SYSTEM, so->so_cred, KAUTH_SYSTEM_REBOOT,
	    NULL, NULL, NULL, NULL) == KAUTH_RESULT_DENY,
	    "a destroyed cell's credential reboots");
	kern_soclose(so);
	EXPECT(unload(), 0);
	kern_soclose(so2);
	EXPECT(load(), 0);
}

static void
reload(void)
{
	uint32_t id;
	int i;

	for (i = 0; i < 3; i++) {
		id = cells_new(0, PROFILE_HIGH);
		EXPECT(cells_destroy(id), 0);
		EXPECT(unload(), 0);
		EXPECT(load(), 0);
	}
}

/* Each step of loading that can fail does once, and leaves nothing behind. */
static void
load_fails(void)
{
	u_int memory, n;
	int error;

	EXPECT(unload(), 0);
	memory = harness_memory();
	for (n = 1;; n++) {
		harness_fail(n);
		error = load();
		harness_fail(0);
		if (error == 0)
			break;
		CHECK(harness_memory() == memory, "step %u: %u pieces of "
		    "memory, %u before", n, harness_memory(), memory);
	}
	CHECK(n > 20, "only %u steps", n);
}

static u_int early;		/* creates that were asked for */

static void
create_early(void)
{
	uint32_t id = 0;
	int error = cells_create("early", 0, PROFILE_HIGH, &id);

	if (error == ENOENT)
		return;		/* that node is not there either */
	early++;
	CHECK(id == 0 && error == ENXIO, "a cell while the module is loaded: "
	    "id %u, error %d", id, error);
}

/* Loading may still fail, so there is no cell before it is done. */
static void
load_fails_late(void)
{
	u_int n;
	int error;

	EXPECT(unload(), 0);
	harness_no_node = create_early;
	for (n = 1;; n++) {
		harness_fail(n);
		error = load();
		harness_fail(0);
		if (error == 0)
			break;
	}
	harness_no_node = NULL;
	CHECK(early > 3, "only %u creates", early);
}

/* The module never unloads by itself. */
static void
autounload(void)
{
	CHECK(kern_modcmd(MODULE_CMD_AUTOUNLOAD, NULL) == EBUSY,
	    "autounload");
}

const struct harness_case life_cases[] = {
	{ "life/one", one_cell, false, NULL },
	{ "life/refusals", refusals, false, NULL },
	{ "life/limit", limit, false, NULL },
	{ "life/asked-before", asked_before, false, NULL },
	{ "life/half-made", half_made, false, NULL },
	{ "life/killed", killed, false, NULL },
	{ "life/credential-stays", credential_stays, false, NULL },
	{ "life/reload", reload, false, NULL },
	{ "life/load-fails", load_fails, false, NULL },
	{ "life/load-fails-late", load_fails_late, false, NULL },
	{ "life/autounload", autounload, false, NULL },
	{ NULL, NULL, false, NULL },
};
