/*
 * A cell's life: create, policy, destroy, and its memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include <sys/cdefs.h>

#include <sys/param.h>
#include <sys/atomic.h>
#include <sys/fcntl.h>
#include <sys/kmem.h>
#include <sys/namei.h>
#include <sys/sysctl.h>
#include <sys/syslog.h>
#include <sys/systm.h>
#include <sys/time.h>
#include <sys/vnode.h>

#include "cell_var.h"


static uint32_t		cell_next;	/* next id; 0: all are used up */
static bool		cell_closing;	/* the module is about to go */
static u_int		cell_busy;	/* creates that wait for a path */

void
cell_life_init(void)
{

	mutex_init(&cell_lock, MUTEX_DEFAULT, IPL_NONE);
	TAILQ_INIT(&cell_list);
	TAILQ_INIT(&cell_dead);
	cell_next = 1;
	cell_ndying = 0;
	cell_closing = false;
	cell_busy = 0;
}

/* True if no cell is left and none will come. */
bool
cell_life_fini(void)
{

	mutex_enter(&cell_lock);
	cell_closing = TAILQ_EMPTY(&cell_list) && cell_busy == 0;
	mutex_exit(&cell_lock);
	return cell_closing;
}

/* When no credential can point to a cell any more. */
void
cell_life_free(void)
{
	struct cell *c;

	while ((c = TAILQ_FIRST(&cell_dead)) != NULL) {
		TAILQ_REMOVE(&cell_dead, c, c_list);
		cell_free(c);
	}
	mutex_destroy(&cell_lock);
}

/*
 * Resolves the root without the sysctl tree's lock, which every sysctl on the
 * machine waits for and which a slow file system would hold.
 */
static int
cell_resolve(const char *path, struct vnode **vpp)
{
	int error;

	mutex_enter(&cell_lock);
	if (cell_closing) {
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

/* Reserves the ports of a policy; those that the cell had are given up. */
static int
cell_reserve(struct cell *c, const struct cell_port *ports, unsigned n)
{
	struct cell_resv old[CELL_PORT_MAX];
	unsigned i, nold;
	int error;

	nold = c->c_nresv;
	mutex_enter(&cell_port_lock);
	cell_ports_release(cell_ports, c->c_resv, nold);
	for (i = 0; i < nold; i++)
		old[i].r_port = c->c_resv[i].r_port;
	for (i = 0; i < n; i++)
		c->c_resv[i].r_port = ports[i];
	error = cell_ports_reserve(cell_ports, c->c_resv, n, c->c_id);
	c->c_nresv = n;
	if (error != 0) {	/* nobody can have taken the old ones */
		for (i = 0; i < nold; i++)
			c->c_resv[i].r_port = old[i].r_port;
		(void)cell_ports_reserve(cell_ports, c->c_resv, nold, c->c_id);
		c->c_nresv = nold;
	}
	mutex_exit(&cell_port_lock);
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
	if (cell_closing)
		return ENXIO;
	TAILQ_FOREACH(other, &cell_list, c_list)
		if (strcmp(other->c_create.cc_name, c->c_create.cc_name) == 0)
			return EEXIST;
	/* The id is the ports' owner, so it is known before them. */
	c->c_id = cell_next;
	cell_default_policy(c);
	if (c->c_id == 0)
		return EOVERFLOW;
	if ((error = cell_listen_vnode(c->c_permissions)) != 0 ||
	    (error = cell_reserve(c, c->c_policy.cp_ports,
	    c->c_policy.cp_nports)) != 0)
		return error;
	cell_next++;
	TAILQ_INSERT_HEAD(&cell_list, c, c_list);
	return 0;
}

/*
 * Makes a cell of a request that cell_create_check has accepted, and fills
 * cc_id in.
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
	mutex_init(&c->c_lock, MUTEX_DEFAULT, IPL_NONE);
	c->c_refs = 1;
	c->c_created = cell_uptime();
	c->c_create = *cc;

	mutex_enter(&cell_lock);
	cell_sweep();
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
 * somebody has.  The request has passed cell_policy_check.
 */
int
cell_set_policy(const struct cell_policy *cp)
{
	struct cell *c;
	int error;

	mutex_enter(&cell_lock);
	if ((c = cell_find(cp->cp_id)) == NULL)
		error = ENOENT;
	else if (c->c_dying || (c->c_entered && !cell_only_limit(c, cp)))
		error = EBUSY;
	else if (c->c_entered) {
		cell_set_limit(c, cp->cp_maxprocs);
		error = 0;
	} else if ((error = cell_listen_vnode(cp->cp_permissions)) == 0 &&
	    (error =
	    cell_reserve(c, cp->cp_ports, cp->cp_nports)) == 0) {
		c->c_policy = *cp;
		c->c_permissions = cell_permitted(cp);
		cell_set_limit(c, cp->cp_maxprocs);
	}
	mutex_exit(&cell_lock);
	return error;
}

/* Removes a cell without processes; ended ones that wait count. */
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
	TAILQ_REMOVE(&cell_list, c, c_list);
	(void)cell_reserve(c, NULL, 0);
	if (c->c_dying)
		atomic_dec_uint(&cell_ndying);
	else
		c->c_dying = 1;	/* whoever still points to it is denied */
	root = c->c_root;
	c->c_root = NULL;
	TAILQ_INSERT_TAIL(&cell_dead, c, c_list);
	cell_rele(c);
	cell_sweep();
	mutex_exit(&cell_lock);
	vrele(root);
	return 0;
}
