/*
 * A cell's life: create, policy, entry, destroy.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/fcntl.h>
#include <sys/filedesc.h>
#include <sys/kmem.h>
#include <sys/namei.h>
#include <sys/sysctl.h>
#include <sys/systm.h>
#include <sys/vnode.h>

#include "cell_var.h"

static uint32_t		cell_next;	/* next id; 0: all are used up */
static bool		cell_closed;	/* the module comes or goes */
static u_int		cell_busy;	/* creates that wait for a path */

void
cell_life_init(void)
{

	cell_next = 1;
	cell_closed = true;
	cell_busy = 0;
}

/* When nothing of the module can fail any more: now there may be cells. */
void
cell_life_open(void)
{

	mutex_enter(&cell_lock);
	cell_closed = false;
	mutex_exit(&cell_lock);
}

/* True if no cell is left and none will come.  Model: Unloader. */
bool
cell_life_fini(void)
{

	mutex_enter(&cell_lock);
	cell_closed = TAILQ_EMPTY(&cell_list) && cell_busy == 0;
	mutex_exit(&cell_lock);
	return cell_closed;
}

/*
 * Resolves the root without the sysctl tree's lock, which every sysctl on the
 * machine waits for and which a slow file system would hold.  Model: create.
 */
static int
cell_resolve(const char *path, struct vnode **vpp)
{
	int error;

	mutex_enter(&cell_lock);
	if (cell_closed) {
		mutex_exit(&cell_lock);
		return ENXIO;
	}
	cell_busy++;
	mutex_exit(&cell_lock);

	sysctl_unlock();
	error = namei_simple_kernel(path, NSM_FOLLOW_NOEMULROOT, vpp);
	sysctl_relock();

	mutex_enter(&cell_lock);
	cell_busy--;
	mutex_exit(&cell_lock);
	if (error == 0 && (*vpp)->v_type != VDIR) {
		vrele(*vpp);
		error = ENOTDIR;
	}
	return error;
}

/* What a cell may do until its policy is written. */
static void
cell_default_policy(struct cell *c)
{
	const struct cell_create *cc = &c->c_create;
	struct cell_policy *cp = &c->c_policy;
	unsigned i;

	cp->cp_id = c->c_id;
	cp->cp_network = CELL_NETWORK_HOST;
	cp->cp_permissions = cell_profile_permissions(
	    (cc->cc_flags & CELL_CREATE_PROFILE) != 0 ?
	    cc->cc_profile : CELL_PROFILE_HIGH);
	cp->cp_nports = cc->cc_nports;
	for (i = 0; i < cc->cc_nports; i++)
		cp->cp_ports[i].cp_port = cc->cc_ports[i];
	c->c_permissions = cp->cp_permissions;
}

/* Puts a filled cell on the list. */
static int
cell_insert(struct cell *c)
{
	struct cell *other;
	int error;

	KASSERT(mutex_owned(&cell_lock));
	if (cell_closed)
		return ENXIO;
	TAILQ_FOREACH(other, &cell_list, c_list)
		if (strcmp(other->c_create.cc_name, c->c_create.cc_name) == 0)
			return EEXIST;
	/* The id is the ports' owner, so it is known before them. */
	c->c_id = cell_next;
	cell_default_policy(c);
	if (c->c_id == 0)
		return EOVERFLOW;
	error = cell_reserve(c->c_resv, &c->c_nresv, c->c_policy.cp_ports,
	    c->c_policy.cp_nports, c->c_id);
	if (error != 0)
		return error;
	cell_next++;
	TAILQ_INSERT_HEAD(&cell_list, c, c_list);
	return 0;
}

/*
 * Makes a cell of a request that cell_create_check has accepted, and fills
 * cc_id in.  Model: create.
 */
int
cell_create(struct cell_create *cc)
{
	struct cell *c;
	int error;

	c = kmem_zalloc(sizeof(*c), KM_SLEEP);
	error = cell_resolve(cc->cc_root, &c->c_root);
	if (error != 0) {
		kmem_free(c, sizeof(*c));
		return error;
	}
	LIST_INIT(&c->c_procs);
	c->c_refs = 1;
	c->c_created = cell_uptime();
	c->c_second.cr_ns = c->c_ten.cr_ns = c->c_created;
	c->c_create = *cc;

	mutex_enter(&cell_lock);
	error = cell_insert(c);
	mutex_exit(&cell_lock);
	if (error != 0) {
		vrele(c->c_root);
		cell_free(c);
		return error;
	}
	cc->cc_id = c->c_id;
	return 0;
}

/* What a policy permits: without a network, nothing that reaches one. */
static uint64_t
cell_permitted(const struct cell_policy *cp)
{

	return cp->cp_network == CELL_NETWORK_NONE ?
	    cp->cp_permissions & ~CELL_PERM_INTERNET : cp->cp_permissions;
}

/*
 * The limit alone may change while the cell runs.  It is kept a second time,
 * in a word, for fork(2) reads it without a lock.
 */
static void
cell_set_limit(struct cell *c, uint64_t max)
{

	c->c_policy.cp_maxprocs = max;
	c->c_maxprocs = max > UINT_MAX ? 0 : (u_int)max;
}

/* Whether a policy differs from the cell's in nothing but the limit. */
static bool
cell_only_limit(struct cell *c, const struct cell_policy *cp)
{
	uint64_t max = c->c_policy.cp_maxprocs;
	bool same;

	c->c_policy.cp_maxprocs = cp->cp_maxprocs;
	same = memcmp(&c->c_policy, cp, sizeof(*cp)) == 0;
	c->c_policy.cp_maxprocs = max;
	return same;
}

/*
 * Sets the policy of a cell that nobody has entered, or the limit of one that
 * somebody has, or what the host reserves.  The request has passed
 * cell_policy_check.
 */
int
cell_set_policy(const struct cell_policy *cp)
{
	struct cell *c;
	int error;

	if (cp->cp_id == 0)
		return cell_set_host(cp);
	mutex_enter(&cell_lock);
	if ((c = cell_find(cp->cp_id)) == NULL)
		error = ENOENT;
	else if (c->c_dying || (c->c_entered && !cell_only_limit(c, cp)))
		error = EBUSY;
	else if (c->c_entered) {
		cell_set_limit(c, cp->cp_maxprocs);
		error = 0;
	} else if ((error = cell_reserve(c->c_resv, &c->c_nresv, cp->cp_ports,
	    cp->cp_nports, c->c_id)) == 0) {
		c->c_policy = *cp;
		c->c_permissions = cell_permitted(cp);
		cell_set_limit(c, cp->cp_maxprocs);
	}
	mutex_exit(&cell_lock);
	return error;
}

int
cell_get_policy(uint32_t id, struct cell_policy *cp)
{
	struct cell *c;

	if (id == 0) {
		cell_get_host(cp);
		return 0;
	}
	mutex_enter(&cell_lock);
	if ((c = cell_find(id)) != NULL)
		*cp = c->c_policy;
	mutex_exit(&cell_lock);
	return c == NULL ? ENOENT : 0;
}

/* Whether the caller's root directory is the one the cell was made with. */
static bool
cell_at_root(struct cell *c, struct proc *p)
{
	bool at;

	rw_enter(&p->p_cwdi->cwdi_lock, RW_READER);
	at = p->p_cwdi->cwdi_rdir == c->c_root;
	rw_exit(&p->p_cwdi->cwdi_lock);
	return at;
}

/* Whether the caller can become a member, in the order of the interface. */
static int
cell_may_enter(struct cell *c, struct proc *p)
{

	KASSERT(mutex_owned(&cell_lock));
	if (c == NULL)
		return ENOENT;
	if (!cell_at_root(c, p))
		return EPERM;
	if (c->c_dying)
		return EBUSY;
	if (cell_full(c))
		return EAGAIN;
	return 0;
}

/* Whether the caller is the first to enter. */
static bool
cell_first(struct cell *c, pid_t pid)
{
	bool first;

	mutex_spin_enter(&cell_spin);
	first = c->c_state == CELL_STATE_EMPTY;
	if (first) {
		c->c_state = CELL_STATE_RUNNING;
		c->c_first = pid;
	}
	mutex_spin_exit(&cell_spin);
	return first;
}

/*
 * Makes the calling process a member, for good.  cell_lock is held all the
 * time, so that neither destroy nor another thread of the process gets in
 * between.  The record comes after the credential: a member without a record
 * is nobody's, see cell_process_facts.  Model: cell_enter.
 */
int
cell_enter(struct lwp *l, uint32_t id)
{
	struct proc *p = l->l_proc;
	kauth_cred_t old, new;
	struct cell *c = NULL;
	bool first;
	int error;

	new = kauth_cred_alloc();
	mutex_enter(&cell_lock);
	mutex_enter(p->p_lock);
	error = cell_of(p->p_cred) != NULL ? EPERM : 0;
	mutex_exit(p->p_lock);
	if (error == 0)		/* no other thread was faster */
		error = cell_may_enter(c = cell_find(id), p);
	if (error != 0) {
		mutex_exit(&cell_lock);
		kauth_cred_free(new);
		return error;
	}
	first = cell_first(c, p->p_pid);
	c->c_entered = true;
	atomic_inc_uint(&c->c_nprocs);
	cell_cred_set(new, c);
	proc_crmod_enter();
	p->p_flag &= ~PK_EXEC;	/* see cell_newcomer */
	old = p->p_cred;
	kauth_cred_clone(old, new);
	proc_crmod_leave(new, old, true);
	cell_proc_begin(c, p, first, NULL);
	mutex_exit(&cell_lock);
	return 0;
}

/*
 * Removes a cell without processes; ended ones that wait count.  Model:
 * destroy.
 */
int
cell_destroy(uint32_t id)
{
	struct cell *c;
	struct vnode *root;

	mutex_enter(&cell_lock);
	if ((c = cell_find(id)) == NULL) {
		mutex_exit(&cell_lock);
		return ENOENT;
	}
	/* cell_lock keeps everybody from entering meanwhile. */
	if (c->c_nprocs != 0 || cell_has_process(c)) {
		mutex_exit(&cell_lock);
		return EBUSY;
	}
	(void)cell_reserve(c->c_resv, &c->c_nresv, NULL, 0, c->c_id);
	root = c->c_root;
	c->c_root = NULL;
	cell_bury(c);
	mutex_exit(&cell_lock);
	vrele(root);
	return 0;
}
