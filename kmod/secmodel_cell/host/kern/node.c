/*
 * The sysctl tree: one list of nodes under security, and user memory.
 *
 * A node with a handler is given whatever the caller passes, also names that
 * go on behind it; a node without one is looked up.  Readers share the tree's
 * lock, writers have it alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"

#define	NODES	32

/* The module's; behind the last one, kern.msgbuf is the kernel's own. */
static struct sysctlnode	nodes[NODES + 1];
static krwlock_t		tree_lock;
static __thread bool		tree_write;

void				(*harness_no_node)(void);

static __thread const char	*user_memory;
static __thread size_t		user_size;

static int
msgbuf(SYSCTLFN_ARGS)
{
	static const char text[] = "secmodel_cell: cell 1: denied\n";

	KASSERT(rw_lock_held(&tree_lock));
	if (newp != NULL)
		return EPERM;
	if (oldp != NULL && *oldlenp >= sizeof(text))
		memcpy(oldp, text, sizeof(text));
	*oldlenp = sizeof(text);
	return 0;
}

void
kern_sysctl_init(void)
{
	rw_init(&tree_lock);
	nodes[NODES] = (struct sysctlnode){ .sysctl_used = true,
	    .sysctl_name = "msgbuf", .sysctl_func = msgbuf };
}

/* The messages have the only node that anybody looks up by its number. */
int
sysctl_locate(struct lwp *l, const int *name, u_int namelen,
    const struct sysctlnode **nodep, int *nip)
{
	KASSERT(rw_lock_held(&tree_lock));
	if (namelen != 2 || name[0] != CTL_KERN || name[1] != KERN_MSGBUF)
		return ENOENT;
	*nodep = &nodes[NODES];
	return 0;
}

void
sysctl_lock(bool write)
{
	rw_enter(&tree_lock, write ? RW_WRITER : RW_READER);
	tree_write = write;
}

int
sysctl_createv(struct sysctllog **logp, int cflags,
    const struct sysctlnode **parent, const struct sysctlnode **out,
    int flags, int type, const char *name, const char *description,
    sysctlfn func, uint64_t value, void *data, size_t size, ...)
{
	struct sysctlnode *n;
	va_list ap;
	int num;

	KASSERT(cflags == 0 && logp != NULL);
	KASSERT(parent == NULL || *parent != NULL);
	/* The path ends with CTL_CREATE and CTL_EOL. */
	va_start(ap, size);
	do {
		num = va_arg(ap, int);
	} while (num >= 0);
	KASSERT(num == CTL_CREATE && va_arg(ap, int) == CTL_EOL);
	va_end(ap);

	rw_enter(&tree_lock, RW_WRITER);
	for (n = nodes; n < nodes + NODES && n->sysctl_used; n++)
		continue;
	KASSERT(n < nodes + NODES);
	if (harness_fails()) {
		rw_exit(&tree_lock);
		if (harness_no_node != NULL)
			harness_no_node();
		return ENOMEM;
	}
	memset(n, 0, sizeof(*n));
	n->sysctl_used = true;
	n->sysctl_flags = (uint32_t)flags;
	n->sysctl_type = type;
	n->sysctl_func = func;
	n->sysctl_data = data;
	n->sysctl_size = size;
	n->sysctl_idata = value;
	n->sysctl_parent = parent != NULL ? __UNCONST(*parent) : NULL;
	strlcpy(n->sysctl_name, name, sizeof(n->sysctl_name));
	if ((flags & CTLFLAG_IMMEDIATE) != 0) {
		n->sysctl_data = &n->sysctl_idata;
		n->sysctl_size = sizeof(int);
	}
	*logp = (struct sysctllog *)nodes;
	if (out != NULL)
		*out = n;
	rw_exit(&tree_lock);
	return 0;
}

/* Waits for every handler that runs. */
void
sysctl_teardown(struct sysctllog **logp)
{
	rw_enter(&tree_lock, RW_WRITER);
	memset(nodes, 0, NODES * sizeof(*nodes));
	*logp = NULL;
	rw_exit(&tree_lock);
}

void
sysctl_unlock(void)
{
	rw_exit(&tree_lock);
}

void
sysctl_relock(void)
{
	rw_enter(&tree_lock, tree_write ? RW_WRITER : RW_READER);
}

/* User memory */

void
kern_user_memory(const void *p, size_t n)
{
	user_memory = p;
	user_size = n;
}

static bool
user_may(const void *v, size_t n)
{
	const char *p = v;

	return p != NULL && (user_memory == NULL || (p >= user_memory &&
	    n <= user_size && p <= user_memory + user_size - n));
}

int
sysctl_copyin(struct lwp *l, const void *from, void *to, size_t n)
{
	ASSERT_SLEEPABLE();
	if (!user_may(from, n))
		return EFAULT;
	memcpy(to, from, n);
	return 0;
}

int
sysctl_copyout(struct lwp *l, const void *from, void *to, size_t n)
{
	ASSERT_SLEEPABLE();
	if (!user_may(to, n))
		return EFAULT;
	memcpy(to, from, n);
	return 0;
}

/* Requests */

static int
may_write(struct lwp *l, const struct sysctlnode *n, size_t newlen,
    size_t size)
{
	if (kern_ask(KAUTH_SCOPE_SYSTEM, l->l_cred, KAUTH_SYSTEM_SYSCTL,
	    KAUTH_ARG(KAUTH_REQ_SYSTEM_SYSCTL_MODIFY), NULL, NULL, NULL) ==
	    KAUTH_RESULT_DENY ||
	    (n->sysctl_flags & CTLFLAG_READWRITE) != CTLFLAG_READWRITE)
		return EPERM;
	return newlen != size ? EINVAL : 0;
}

int
sysctl_lookup(SYSCTLFN_ARGS)
{
	const void *data = rnode->sysctl_data;
	size_t size = rnode->sysctl_type == CTLTYPE_STRING ?
	    strlen(data) + 1 : rnode->sysctl_size;
	int error;

	KASSERT(rw_lock_held(&tree_lock));
	if (newlen == 0)
		newp = NULL;
	if (rnode->sysctl_type == CTLTYPE_NODE || namelen != 0)
		return EINVAL;
	if (newp != NULL && (error = may_write(l, rnode, newlen,
	    rnode->sysctl_size)) != 0)
		return error;
	if (oldp != NULL && (error = sysctl_copyout(l, data, oldp,
	    MIN(size, *oldlenp))) != 0)
		return error;
	*oldlenp = size;
	return newp == NULL ? 0 :
	    sysctl_copyin(l, newp, rnode->sysctl_data, newlen);
}

int
kern_sysctl(struct lwp *l, const char *name, void *oldp, size_t *oldlenp,
    const void *newp, size_t newlen)
{
	static const int behind[2] = { 1, -2 };
	u_int namelen = harness_names_behind;
	struct sysctlnode *n;
	size_t none = 0;
	int error = ENOENT;

	KASSERT(curlwp == l && harness_held() == 0);
	if (oldlenp == NULL)
		oldlenp = &none;
	sysctl_lock(newp != NULL);
	for (n = nodes; n <= nodes + NODES; n++)
		if (n->sysctl_used && strcmp(n->sysctl_name, name) == 0)
			break;
	if (n <= nodes + NODES)
		error = (n->sysctl_func != NULL ? n->sysctl_func :
		    sysctl_lookup)(behind, namelen, oldp, oldlenp, newp,
		    newlen, behind, l, n);
	rw_exit(&tree_lock);
	KASSERT(harness_held() == 0);
	return error;
}

const char *
kern_sysctl_name(u_int i)
{
	struct sysctlnode *n;

	for (n = nodes; n <= nodes + NODES; n++)
		if (n->sysctl_used && n->sysctl_func != NULL && i-- == 0)
			return n->sysctl_name;
	return NULL;
}
