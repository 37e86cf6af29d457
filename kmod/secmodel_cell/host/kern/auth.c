/*
 * kauth(9) and secmodel(9), in the kernel's order of steps and with its locks.
 *
 * Listeners are walked without a lock and freed as soon as they are taken
 * off, as in the kernel.  Besides the module's there is one in each scope that
 * stands for the rest of the system and allows everything: what is refused is
 * refused by the module.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"

static struct specificdata_domain cred_domain;

/* Scopes and listeners */

struct kauth_listener {
	kauth_scope_callback_t	func;
	void			*cookie;
	struct kauth_listener	*next;
	struct kauth_scope	*scope;
};

struct kauth_scope {
	const char		*id;
	struct kauth_listener	*first;
	struct kauth_listener	rest;
};

static krwlock_t kauth_lock;
static struct kauth_scope scopes[] = {
	{ .id = KAUTH_SCOPE_CRED }, { .id = KAUTH_SCOPE_GENERIC },
	{ .id = KAUTH_SCOPE_SYSTEM }, { .id = KAUTH_SCOPE_PROCESS },
	{ .id = KAUTH_SCOPE_NETWORK }, { .id = KAUTH_SCOPE_MACHDEP },
	{ .id = KAUTH_SCOPE_DEVICE }, { .id = KAUTH_SCOPE_VNODE },
};

static int
rest_of_the_system(kauth_cred_t cred, kauth_action_t action, void *cookie,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	return KAUTH_RESULT_ALLOW;
}

static struct kauth_scope *
scope_find(const char *id)
{
	size_t i;

	for (i = 0; i < __arraycount(scopes); i++)
		if (strcmp(scopes[i].id, id) == 0)
			return &scopes[i];
	return NULL;
}

void
kern_auth_init(void)
{
	size_t i;

	kern_domain_init(&cred_domain);
	kern_specific_domains();
	rw_init(&kauth_lock);
	for (i = 0; i < __arraycount(scopes); i++) {
		scopes[i].rest.func = rest_of_the_system;
		scopes[i].first = &scopes[i].rest;
	}
}

kauth_listener_t
kauth_listen_scope(const char *id, kauth_scope_callback_t func, void *cookie)
{
	struct kauth_listener *l, **last;
	struct kauth_scope *scope;

	if (harness_fails())
		return NULL;
	l = kmem_zalloc(sizeof(*l), KM_SLEEP);
	l->func = func;
	l->cookie = cookie;
	rw_enter(&kauth_lock, RW_WRITER);
	if ((scope = scope_find(id)) == NULL) {
		rw_exit(&kauth_lock);
		kmem_free(l, sizeof(*l));
		return NULL;
	}
	l->scope = scope;
	for (last = &scope->first; *last != NULL; last = &(*last)->next)
		continue;
	atomic_store_release(last, l);
	rw_exit(&kauth_lock);
	return l;
}

void
kauth_unlisten_scope(kauth_listener_t l)
{
	struct kauth_listener **link;

	if (l == NULL)
		return;
	rw_enter(&kauth_lock, RW_WRITER);
	for (link = &l->scope->first; *link != l; link = &(*link)->next)
		continue;
	atomic_store_release(link, l->next);
	rw_exit(&kauth_lock);
	kmem_free(l, sizeof(*l));
}

int
kern_ask(const char *id, kauth_cred_t cred, kauth_action_t action,
    void *arg0, void *arg1, void *arg2, void *arg3)
{
	const struct kauth_scope *scope = scope_find(id);
	struct kauth_listener *l;
	bool fail = false, allow = false;
	u_int before = harness_held();
	int r;

	KASSERT(cred != NULL && action != 0 && scope != NULL);
	if (cred == NOCRED || cred == FSCRED)
		return KAUTH_RESULT_ALLOW;
	for (l = atomic_load_consume(&scope->first); l != NULL;
	    l = atomic_load_consume(&l->next)) {
		r = l->func(cred, action, NULL, arg0, arg1, arg2, arg3);
		KASSERTMSG(harness_held() == before,
		    "a listener of %s keeps a lock", id);
		allow = allow || r == KAUTH_RESULT_ALLOW;
		fail = fail || r == KAUTH_RESULT_DENY;
	}
	if (fail)
		return KAUTH_RESULT_DENY;
	return allow ? KAUTH_RESULT_ALLOW : KAUTH_RESULT_DEFER;
}

/* Credentials */


static void
hook(kauth_cred_t cred, kauth_action_t action, void *arg0, void *arg1)
{
	int r = kern_ask(KAUTH_SCOPE_CRED, cred, action, arg0, arg1, NULL,
	    NULL);

	KASSERT(r == KAUTH_RESULT_ALLOW);
}

static void
cred_check(kauth_cred_t cred)
{
	KASSERT(cred != NULL && cred != NOCRED && cred != FSCRED);
}

/* Also not while its end is announced, which may only look at it. */
static void
cred_alive(kauth_cred_t cred)
{
	cred_check(cred);
	KASSERT(atomic_load_relaxed(&cred->cr_refcnt) > 0);
}

kauth_cred_t
kauth_cred_alloc(void)
{
	kauth_cred_t cred = kmem_zalloc(sizeof(*cred), KM_SLEEP);

	cred->cr_refcnt = 1;
	kern_specific_init(&cred->cr_sd);
	hook(cred, KAUTH_CRED_INIT, NULL, NULL);
	return cred;
}

kauth_cred_t
kauth_cred_hold(kauth_cred_t cred)
{
	cred_alive(cred);
	atomic_inc_uint(&cred->cr_refcnt);
	return cred;
}

void
kauth_cred_free(kauth_cred_t cred)
{
	cred_alive(cred);
	ASSERT_SLEEPABLE();
	if (__atomic_sub_fetch(&cred->cr_refcnt, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	hook(cred, KAUTH_CRED_FREE, NULL, NULL);
	specificdata_fini(&cred_domain, &cred->cr_sd);
	kmem_free(cred, sizeof(*cred));
}

void
kauth_cred_clone(kauth_cred_t from, kauth_cred_t to)
{
	cred_alive(from);
	to->cr_uid = from->cr_uid;
	to->cr_euid = from->cr_euid;
	to->cr_svuid = from->cr_svuid;
	to->cr_gid = from->cr_gid;
	to->cr_egid = from->cr_egid;
	hook(from, KAUTH_CRED_COPY, to, NULL);
}

kauth_cred_t
kauth_cred_dup(kauth_cred_t cred)
{
	kauth_cred_t new = kauth_cred_alloc();

	kauth_cred_clone(cred, new);
	return new;
}

/* The child shares its parent's; nothing is held while listeners hear it. */
void
kauth_proc_fork(struct proc *parent, struct proc *child)
{
	mutex_enter(parent->p_lock);
	child->p_cred = kauth_cred_hold(parent->p_cred);
	mutex_exit(parent->p_lock);
	/* The kernel passes what the parent has by now. */
	mutex_enter(parent->p_lock);
	kauth_cred_t cred = kauth_cred_hold(parent->p_cred);
	mutex_exit(parent->p_lock);
	hook(cred, KAUTH_CRED_FORK, parent, child);
	kauth_cred_free(cred);
}

void
kauth_proc_chroot(kauth_cred_t cred, struct cwdinfo *cwdi)
{
	hook(cred, KAUTH_CRED_CHROOT, cwdi, NULL);
}

#define	FIELD(name, type, field) \
type \
name(kauth_cred_t cred) \
{ \
	cred_check(cred); \
	return cred->field; \
}
FIELD(kauth_cred_getuid, uid_t, cr_uid)
FIELD(kauth_cred_geteuid, uid_t, cr_euid)
FIELD(kauth_cred_getsvuid, uid_t, cr_svuid)
FIELD(kauth_cred_getgid, gid_t, cr_gid)
FIELD(kauth_cred_getegid, gid_t, cr_egid)

void
kauth_cred_setuids(kauth_cred_t cred, uid_t uid)
{
	KASSERT(cred->cr_refcnt == 1);
	cred->cr_uid = cred->cr_euid = cred->cr_svuid = uid;
}

u_int
kauth_cred_getrefcnt(kauth_cred_t cred)
{
	cred_check(cred);
	return atomic_load_relaxed(&cred->cr_refcnt);
}

int
kauth_cred_ismember_gid(kauth_cred_t cred, gid_t gid, int *resultp)
{
	cred_check(cred);
	*resultp = 0;
	return 0;
}

int
kauth_cred_groupmember(kauth_cred_t cred, gid_t gid)
{
	return kauth_cred_getegid(cred) == gid ? 0 : -1;
}

int
kauth_cred_uidmatch(kauth_cred_t a, kauth_cred_t b)
{
	cred_check(a);
	cred_check(b);
	return a->cr_uid == b->cr_uid || a->cr_uid == b->cr_euid ||
	    a->cr_euid == b->cr_uid || a->cr_euid == b->cr_euid;
}

kauth_cred_t
kauth_cred_get(void)
{
	return curlwp->l_cred;
}

struct kauth_key { specificdata_key_t ks_key; };

int
kauth_register_key(secmodel_t sm, kauth_key_t *keyp)
{
	struct kauth_key *key = kmem_alloc(sizeof(*key), KM_SLEEP);
	int error = specificdata_key_create(&cred_domain, &key->ks_key, NULL);

	if (error != 0)
		kmem_free(key, sizeof(*key));
	else
		*keyp = key;
	return error;
}

int
kauth_deregister_key(kauth_key_t key)
{
	specificdata_key_delete(&cred_domain, key->ks_key);
	kmem_free(key, sizeof(*key));
	return 0;
}

void *
kauth_cred_getdata(kauth_cred_t cred, kauth_key_t key)
{
	cred_check(cred);
	return specificdata_getspecific(&cred_domain, &cred->cr_sd, key->ks_key);
}

void
kauth_cred_setdata(kauth_cred_t cred, kauth_key_t key, void *data)
{
	cred_check(cred);
	specificdata_setspecific(&cred_domain, &cred->cr_sd, key->ks_key, data);
}

int
kauth_authorize_process(kauth_cred_t cred, kauth_action_t action,
    struct proc *p, void *arg1, void *arg2, void *arg3)
{
	return kern_ask(KAUTH_SCOPE_PROCESS, cred, action, p, arg1, arg2,
	    arg3) == KAUTH_RESULT_DENY ? EPERM : 0;
}

/* secmodel(9) */

struct secmodel { const char *id; };

int
secmodel_register(secmodel_t *smp, const char *id, const char *name,
    void *prop, secmodel_eval_t eval, secmodel_setinfo_t setinfo)
{
	if (harness_fails())
		return EEXIST;
	*smp = kmem_zalloc(sizeof(**smp), KM_SLEEP);
	(*smp)->id = id;
	return 0;
}

int
secmodel_deregister(secmodel_t sm)
{
	kmem_free(sm, sizeof(*sm));
	return 0;
}
