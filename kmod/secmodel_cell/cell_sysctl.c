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

/*
 * Ticks a second in the stretch that ended last.  A stretch of at least ns ends
 * when somebody asks after it is over; the first one began with the cell.
 */
static uint64_t
cell_rate(struct cell_rate *cr, uint64_t now, uint64_t ticks, uint64_t ns)
{
	const uint64_t past = now - cr->cr_ns;

	if (past >= ns) {
		cr->cr_rate = (ticks - MIN(ticks, cr->cr_ticks)) *
		    1000 / (past / 1000000);
		cr->cr_ns = now;
		cr->cr_ticks = ticks;
	}
	return cr->cr_rate;
}

static void
cell_fill_info(struct cell *c, struct cell_info *ci)
{
	const uint64_t now = cell_uptime(), second = 1000000000ULL;
	struct cell_use cu;

	KASSERT(mutex_owned(&cell_lock));
	cell_measure(c, &cu);
	memset(ci, 0, sizeof(*ci));
	ci->ci_id = c->c_id;
	ci->ci_create_flags = c->c_create.cc_flags;
	strlcpy(ci->ci_name, c->c_create.cc_name, sizeof(ci->ci_name));
	strlcpy(ci->ci_root, c->c_create.cc_root, sizeof(ci->ci_root));
	ci->ci_created_ns = c->c_created;
	ci->ci_proc_current = c->c_nprocs;
	ci->ci_refcount = cu.cu_refs;
	ci->ci_memory_current = cu.cu_memory;
	ci->ci_cpu_ticks_1s = cell_rate(&c->c_second, now, cu.cu_ticks,
	    second);
	ci->ci_cpu_ticks_10s = cell_rate(&c->c_ten, now, cu.cu_ticks,
	    10 * second);
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
		TAILQ_FOREACH(c, &cell_list, c_list)
			cell_fill_info(c, ci++);
	}
	mutex_exit(&cell_lock);
	error = cell_reply(l, oldp, oldlenp, infos, size);
	if (infos != NULL)
		kmem_free(infos, size);
	return error;
}

/*
 * A request of the id alone reads the policy.  Who knows version 2 has less of
 * it, which is enough if there is no device in it.
 */
static int
cell_sysctl_policy(SYSCTLFN_ARGS)
{
	const size_t size2 = CELL_POLICY_SIZE_2;
	struct cell_policy *cp;
	uint32_t id;
	int error;

	cp = kmem_zalloc(sizeof(*cp), KM_SLEEP);
	if (newp != NULL && newlen == sizeof(id)) {
		if ((error = cell_request(l, newp, newlen, &id,
		    sizeof(id))) == 0 &&
		    (error = cell_get_policy(id, cp)) == 0)
			error = cell_reply(l, oldp, oldlenp, cp,
			    oldp != NULL && *oldlenp == size2 &&
			    cp->cp_ndevices == 0 ? size2 : sizeof(*cp));
	} else if ((error = cell_request(l, newp, newlen, cp,
	    newlen == size2 ? size2 : sizeof(*cp))) == 0 &&
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
	if ((c = cell_get(ck.ck_id)) == NULL)
		return ENOENT;
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
	mutex_spin_enter(&cell_spin);
	memcpy(cs.cs_denials, c->c_denials, sizeof(cs.cs_denials));
	cs.cs_last_ns = c->c_last_ns;
	cs.cs_last_class = c->c_last_class;
	cs.cs_last_pid = c->c_last_pid;
	cs.cs_last_uid = c->c_last_uid;
	mutex_spin_exit(&cell_spin);
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
	mutex_spin_enter(&cell_spin);
	ct.ct_state = c->c_state;
	ct.ct_pid = c->c_first;
	ct.ct_status = c->c_status;
	mutex_spin_exit(&cell_spin);
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
