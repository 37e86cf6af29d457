/*
 * The module's nodes as functions; see cells.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "cells.h"

struct lwp *root;

struct lwp *
as(struct lwp *l)
{
	struct lwp *was = curlwp;

	KASSERT(harness_held() == 0);
	curlwp = l;
	return was;
}

int
cells_create(const char *name, u_int dir, u_int profile, uint32_t *id)
{
	struct cell_create cc = { .cc_flags = CELL_CREATE_PROFILE,
	    .cc_profile = profile };
	size_t n = sizeof(cc);
	int error;

	strlcpy(cc.cc_name, name, sizeof(cc.cc_name));
	snprintf(cc.cc_root, sizeof(cc.cc_root), "/%u", dir);
	error = kern_sysctl(curlwp, "create", &cc, &n, &cc, sizeof(cc));
	if (error == 0)
		*id = cc.cc_id;
	return error;
}

int
cells_destroy(uint32_t id)
{
	return kern_sysctl(curlwp, "destroy", NULL, NULL, &id, sizeof(id));
}

int
cells_policy(struct cell_policy *cp)
{
	return kern_sysctl(curlwp, "policy", NULL, NULL, cp, sizeof(*cp));
}

int
cells_policy_of(uint32_t id, struct cell_policy *cp)
{
	size_t n = sizeof(*cp);

	return kern_sysctl(curlwp, "policy", cp, &n, &id, sizeof(id));
}

int
cells_kill(uint32_t id, int signum, uint32_t *count)
{
	struct cell_kill ck = { id, signum };
	size_t n = sizeof(*count);

	return kern_sysctl(curlwp, "kill", count, &n, &ck, sizeof(ck));
}

int
cells_stats(uint32_t id, struct cell_stats *cs)
{
	size_t n = sizeof(*cs);

	return kern_sysctl(curlwp, "stats", cs, &n, &id, sizeof(id));
}

int
cells_status(uint32_t id, struct cell_status *ct)
{
	size_t n = sizeof(*ct);

	return kern_sysctl(curlwp, "status", ct, &n, &id, sizeof(id));
}

int
cells_list(struct cell_info *infos, size_t *n)
{
	size_t size = *n * sizeof(*infos);
	int error = kern_sysctl(curlwp, "list", infos, &size, NULL, 0);

	*n = size / sizeof(*infos);
	return error;
}

int
cells_enter(uint32_t id)
{
	return kern_sysctl(curlwp, "id", NULL, NULL, &id, sizeof(id));
}

uint32_t
cells_new(u_int dir, u_int profile)
{
	struct lwp *was = as(root);
	char name[16];
	uint32_t id = 0;
	int error;

	snprintf(name, sizeof(name), "cell-%u", dir);
	error = cells_create(name, dir, profile, &id);
	CHECK(error == 0, "create %s: %d", name, error);
	as(was);
	return id;
}

struct lwp *
cells_newcomer(uint32_t id, u_int dir)
{
	struct lwp *l = kern_host_user(0), *was = as(l);
	int error;

	(void)kern_chroot(l, &harness_roots[dir]);
	error = cells_enter(id);
	CHECK(error == 0, "enter %u: %d", id, error);
	as(was);
	return l;
}

struct lwp *
cells_member(uint32_t id, u_int dir)
{
	struct lwp *l = cells_newcomer(id, dir), *was = as(l);

	kern_exec(l);
	as(was);
	return l;
}

struct lwp *
spawn(struct lwp *parent)
{
	struct lwp *was = as(parent), *l;
	int error;

	if ((l = kern_fork(parent, &error)) != NULL) {
		as(l);
		kern_exec(l);
	}
	as(was);
	return l;
}

struct proc *
leave_zombie(struct lwp *l, int status)
{
	struct proc *p = l->l_proc;
	struct lwp *was = as(l);

	kern_exit(l, status, 0);
	as(was == l ? NULL : was);
	return p;
}

/* By whom does not matter to a listener. */
void
reap(struct proc *p)
{
	struct lwp *was = as(root);

	KASSERT(kern_wait(root, p));
	as(was);
}

void
end(struct lwp *l, int status)
{
	reap(leave_zombie(l, status));
}

bool
prop_dictionary_get_bool(prop_dictionary_t props, const char *name,
    bool *value)
{
	if (strcmp(name, "unload") != 0)
		return false;
	*value = props->unload;
	return true;
}

int
load(void)
{
	struct prop_dictionary props = { .unload = true };

	return kern_modcmd(MODULE_CMD_INIT, &props);
}

int
unload(void)
{
	return kern_modcmd(MODULE_CMD_FINI, NULL);
}
