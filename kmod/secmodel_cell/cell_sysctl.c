/*
 * The nodes below security.models.cell.  kmod/wire defines what they take and
 * give, and docs/kernel-abi.md lists it with the errors in their order.
 *
 * The kernel checks nothing for a node with a handler: each one begins with
 * who may ask.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/kauth.h>
#include <sys/kmem.h>
#include <sys/signal.h>
#include <sys/sysctl.h>
#include <sys/syslog.h>
#include <sys/systm.h>

#include "cell_var.h"

static struct sysctllog	*cell_log;

/*
 * What every node with a request begins with: EINVAL if there is none, EPERM
 * if the caller is not root on the host, EINVAL if it has another size.
 */
static int
cell_request(struct lwp *l, const void *newp, size_t newlen, void *to,
    size_t size)
{

	if (newp == NULL)
		return EINVAL;
	if (!cell_host_root(l->l_cred))
		return EPERM;
	if (newlen != size)
		return EINVAL;
	return sysctl_copyin(l, newp, to, size);
}

/* Gives a reply of a known size; without room it says how much it needs. */
static int
cell_reply(struct lwp *l, void *oldp, size_t *oldlenp, const void *from,
    size_t size)
{
	size_t room = *oldlenp;

	*oldlenp = size;
	if (oldp == NULL)
		return 0;
	if (room < size)
		return ENOMEM;
	return sysctl_copyout(l, from, oldp, size);
}

static int
cell_sysctl_id(SYSCTLFN_ARGS)
{
	struct sysctlnode node = *rnode;
	uint32_t id = 0;	/* a caller that gets further is on the host */
	int error;

	if (!cell_host_root(l->l_cred))
		return EPERM;
	node.sysctl_data = &id;
	node.sysctl_size = sizeof(id);
	error = sysctl_lookup(SYSCTLFN_CALL(&node));
	if (error != 0 || newp == NULL || id == 0)
		return error;
	return cell_enter(l, id);
}

static int
cell_sysctl_create(SYSCTLFN_ARGS)
{
	struct cell_create cc;
	int error;

	if (newp == NULL)
		return EINVAL;
	if (!cell_host_root(l->l_cred))
		return EPERM;
	if (oldp == NULL || *oldlenp < sizeof(cc))
		return ENOMEM;
	if ((error = cell_request(l, newp, newlen, &cc, sizeof(cc))) != 0 ||
	    (error = cell_create_check(&cc)) != 0 ||
	    (error = cell_create(&cc)) != 0)
		return error;
	error = cell_reply(l, oldp, oldlenp, &cc, sizeof(cc));
	if (error != 0)		/* nobody knows of it */
		(void)cell_destroy(cc.cc_id);
	return error;
}

static int
cell_sysctl_destroy(SYSCTLFN_ARGS)
{
	uint32_t id;
	int error;

	if ((error = cell_request(l, newp, newlen, &id, sizeof(id))) != 0)
		return error;
	return id == 0 ? EINVAL : cell_destroy(id);
}

static void
cell_fill_info(struct cell *c, struct cell_info *ci)
{
	const unsigned n = MIN(c->c_nsample, CELL_TICK_SECONDS);
	unsigned i;

	memset(ci, 0, sizeof(*ci));
	ci->ci_id = c->c_id;
	ci->ci_create_flags = c->c_create.cc_flags;
	strlcpy(ci->ci_name, c->c_create.cc_name, sizeof(ci->ci_name));
	strlcpy(ci->ci_root, c->c_create.cc_root, sizeof(ci->ci_root));
	ci->ci_created_ns = c->c_created;
	ci->ci_proc_current = c->c_nprocs;
	ci->ci_refcount = c->c_use.cu_refs;
	ci->ci_memory_current = c->c_use.cu_memory;
	for (i = 0; i < n; i++)
		ci->ci_cpu_ticks_10s += c->c_ticks[i];
	if (n != 0) {
		ci->ci_cpu_ticks_1s =
		    c->c_ticks[(c->c_nsample - 1) % CELL_TICK_SECONDS];
		ci->ci_cpu_ticks_10s /= n;
	}
	ci->ci_rlimit_nofile = c->c_create.cc_rlimit_nofile;
	ci->ci_rlimit_as = c->c_create.cc_rlimit_as;
	ci->ci_rlimit_core = c->c_create.cc_rlimit_core;
}

/* Any user of the host may read it. */
static int
cell_sysctl_list(SYSCTLFN_ARGS)
{
	struct cell_info *infos, *ci;
	struct cell *c;
	size_t n, size;
	int error;

	if (newp != NULL || cell_of(l->l_cred) != NULL)
		return EPERM;
	n = 0;
	infos = NULL;
	mutex_enter(&cell_lock);
	TAILQ_FOREACH(c, &cell_list, c_list)
		n++;
	size = n * sizeof(*infos);
	if (n != 0 && oldp != NULL && *oldlenp >= size) {
		ci = infos = kmem_alloc(size, KM_SLEEP);
		cell_measure();
		TAILQ_FOREACH(c, &cell_list, c_list)
			cell_fill_info(c, ci++);
	}
	mutex_exit(&cell_lock);
	error = cell_reply(l, oldp, oldlenp, infos, size);
	if (infos != NULL)
		kmem_free(infos, size);
	return error;
}

/* A request of the id alone reads the policy. */
static int
cell_get_policy(uint32_t id, struct cell_policy *cp)
{
	struct cell *c;

	mutex_enter(&cell_lock);
	if ((c = cell_find(id)) != NULL)
		*cp = c->c_policy;
	mutex_exit(&cell_lock);
	return c == NULL ? ENOENT : 0;
}

static int
cell_sysctl_policy(SYSCTLFN_ARGS)
{
	struct cell_policy *cp;
	uint32_t id;
	int error;

	cp = kmem_alloc(sizeof(*cp), KM_SLEEP);
	if (newp != NULL && newlen == sizeof(id)) {
		if ((error = cell_request(l, newp, newlen, &id,
		    sizeof(id))) == 0 &&
		    (error = cell_get_policy(id, cp)) == 0)
			error = cell_reply(l, oldp, oldlenp, cp, sizeof(*cp));
	} else if ((error = cell_request(l, newp, newlen, cp,
	    sizeof(*cp))) == 0 &&
	    (error = cell_policy_check(cp)) == 0 &&
	    (error = cell_set_policy(cp)) == 0)
		*oldlenp = 0;
	kmem_free(cp, sizeof(*cp));
	return error;
}

/* The cell that a request of its id alone asks about, with a reference. */
static int
cell_requested(struct lwp *l, const void *newp, size_t newlen,
    struct cell **cp)
{
	uint32_t id;
	int error;

	if ((error = cell_request(l, newp, newlen, &id, sizeof(id))) != 0)
		return error;
	*cp = cell_get(id);
	return *cp == NULL ? ENOENT : 0;
}

static int
cell_sysctl_procs(SYSCTLFN_ARGS)
{
	struct cell *c;
	pid_t *pids;
	size_t n, size;
	int error;

	if ((error = cell_requested(l, newp, newlen, &c)) != 0)
		return error;
	cell_procs(c, &pids, &n, &size);
	cell_rele(c);
	error = cell_reply(l, oldp, oldlenp, pids, n * sizeof(*pids));
	kmem_free(pids, size);
	return error;
}

static int
cell_sysctl_kill(SYSCTLFN_ARGS)
{
	struct cell_kill ck;
	struct cell *c;
	uint32_t n;
	int error;

	if ((error = cell_request(l, newp, newlen, &ck, sizeof(ck))) != 0)
		return error;
	if (ck.ck_signal <= 0 || ck.ck_signal >= NSIG)
		return EINVAL;
	error = 0;
	mutex_enter(&cell_lock);
	if ((c = cell_find(ck.ck_id)) == NULL)
		error = ENOENT;
	else if (ck.ck_signal == SIGKILL)
		error = cell_listen_vnode(0);
	if (error == 0)
		cell_hold(c);
	mutex_exit(&cell_lock);
	if (error != 0)
		return error;
	n = cell_signal(c, ck.ck_signal);
	cell_rele(c);
	return cell_reply(l, oldp, oldlenp, &n, sizeof(n));
}

static int
cell_sysctl_stats(SYSCTLFN_ARGS)
{
	struct cell_stats cs;
	struct cell *c;
	int error;

	if ((error = cell_requested(l, newp, newlen, &c)) != 0)
		return error;
	memset(&cs, 0, sizeof(cs));
	cs.cs_id = c->c_id;
	cs.cs_procs = c->c_nprocs;
	mutex_enter(&cell_lock);
	cs.cs_maxprocs = c->c_policy.cp_maxprocs;
	cs.cs_flags = (c->c_entered ? CELL_STATS_ENTERED : 0) |
	    (c->c_dying ? CELL_STATS_DYING : 0);
	mutex_exit(&cell_lock);
	mutex_enter(&c->c_lock);
	memcpy(cs.cs_denials, c->c_denials, sizeof(cs.cs_denials));
	cs.cs_last_ns = c->c_last_ns;
	cs.cs_last_class = c->c_last_class;
	cs.cs_last_pid = c->c_last_pid;
	cs.cs_last_uid = c->c_last_uid;
	mutex_exit(&c->c_lock);
	cell_rele(c);
	return cell_reply(l, oldp, oldlenp, &cs, sizeof(cs));
}

static int
cell_sysctl_status(SYSCTLFN_ARGS)
{
	struct cell_status ct;
	struct cell *c;
	int error;

	if ((error = cell_requested(l, newp, newlen, &c)) != 0)
		return error;
	ct.ct_id = c->c_id;
	mutex_enter(&c->c_lock);
	ct.ct_state = c->c_state;
	ct.ct_pid = c->c_first;
	ct.ct_status = c->c_status;
	mutex_exit(&c->c_lock);
	cell_rele(c);
	return cell_reply(l, oldp, oldlenp, &ct, sizeof(ct));
}

static const struct {
	const char	*name, *description;
	int		type;
	bool		writable;
	sysctlfn	handler;
} cell_nodes[] = {
	{ "id", "Own cell; write to enter one", CTLTYPE_INT, true,
	    cell_sysctl_id },
	{ "create", "Create a cell", CTLTYPE_STRUCT, true,
	    cell_sysctl_create },
	{ "destroy", "Destroy a cell without processes", CTLTYPE_INT, true,
	    cell_sysctl_destroy },
	{ "list", "All cells", CTLTYPE_STRUCT, false,
	    cell_sysctl_list },
	{ "policy", "What a cell may do", CTLTYPE_STRUCT, true,
	    cell_sysctl_policy },
	{ "procs", "Processes of a cell", CTLTYPE_STRUCT, true,
	    cell_sysctl_procs },
	{ "kill", "Signal all processes of a cell", CTLTYPE_STRUCT, true,
	    cell_sysctl_kill },
	{ "stats", "Counters of a cell", CTLTYPE_STRUCT, true,
	    cell_sysctl_stats },
	{ "status", "Exit status of a cell's first process", CTLTYPE_STRUCT,
	    true, cell_sysctl_status },
};

static int
cell_create_nodes(const struct sysctlnode *parent)
{
	size_t i;
	int error;

	error = sysctl_createv(&cell_log, 0, &parent, NULL, CTLFLAG_PERMANENT,
	    CTLTYPE_STRING, "name", NULL, NULL, 0,
	    __UNCONST(SECMODEL_CELL_NAME), 0, CTL_CREATE, CTL_EOL);
	if (error != 0)
		return error;
	error = sysctl_createv(&cell_log, 0, &parent, NULL,
	    CTLFLAG_PERMANENT | CTLFLAG_IMMEDIATE, CTLTYPE_INT, "abi",
	    SYSCTL_DESCR("Version of this interface"), NULL,
	    CELL_ABI_VERSION, NULL, 0, CTL_CREATE, CTL_EOL);
	if (error != 0)
		return error;
	for (i = 0; i < __arraycount(cell_nodes); i++) {
		/* In parentheses: the macro wants the type in plain sight. */
		error = (sysctl_createv)(&cell_log, 0, &parent, NULL,
		    CTLFLAG_PERMANENT |
		    (cell_nodes[i].writable ? CTLFLAG_READWRITE : 0),
		    cell_nodes[i].type, cell_nodes[i].name,
		    cell_nodes[i].description, cell_nodes[i].handler, 0, NULL,
		    0, CTL_CREATE, CTL_EOL);
		if (error != 0)
			return error;
	}
	return 0;
}

int
cell_sysctl_init(void)
{
	const struct sysctlnode *models, *cell;
	int error;

	error = sysctl_createv(&cell_log, 0, NULL, &models, CTLFLAG_PERMANENT,
	    CTLTYPE_NODE, "models", NULL, NULL, 0, NULL, 0,
	    CTL_SECURITY, CTL_CREATE, CTL_EOL);
	if (error == 0)
		error = sysctl_createv(&cell_log, 0, &models, &cell,
		    CTLFLAG_PERMANENT, CTLTYPE_NODE, "cell",
		    SYSCTL_DESCR("NetBSD Cells"), NULL, 0, NULL, 0,
		    CTL_CREATE, CTL_EOL);
	if (error == 0)
		error = cell_create_nodes(cell);
	if (error != 0)
		cell_sysctl_fini();
	return error;
}

void
cell_sysctl_fini(void)
{

	sysctl_teardown(&cell_log);
}
