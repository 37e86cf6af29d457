/*
 * specificdata: private data of credentials, processes and threads.
 *
 * What a listener can notice of it is kept: a reference has a mutex of its own,
 * which is destroyed at its end; its data is read and set under that mutex; and
 * data for a new key moves everything to new memory, which is asked for with
 * the domain's mutex held.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"

/* The values of one reference, by key. */
struct specificdata_container {
	LIST_ENTRY(specificdata_container)	link;
	size_t					count;
	void					*value[];
};

static struct specificdata_domain proc_domain, lwp_domain;

static void keep(void *data) { }

static size_t
size_of(size_t count)
{
	return sizeof(struct specificdata_container) + count * sizeof(void *);
}

/* Where the value of a key stands, or NULL. */
static void **
slot(const specificdata_reference *ref, u_int key)
{
	struct specificdata_container *values = ref->specdataref_container;

	return values != NULL && key < values->count ? &values->value[key] :
	    NULL;
}

void
kern_domain_init(struct specificdata_domain *d)
{
	kern_mutex_init(&d->lock, MUTEX_DEFAULT, IPL_NONE, "sd_lock");
}

void
kern_specific_domains(void)
{
	kern_domain_init(&proc_domain);
	kern_domain_init(&lwp_domain);
}

/* The key of a destructor that has gone is given out again. */
int
specificdata_key_create(struct specificdata_domain *d, specificdata_key_t *keyp,
    specificdata_dtor_t end)
{
	u_int key = 0;

	ASSERT_SLEEPABLE();
	if (harness_fails())
		return ENOMEM;
	mutex_enter(&d->lock);
	while (d->end[key] != NULL)
		key++;
	KASSERT(key < __arraycount(d->end));
	d->end[key] = end != NULL ? end : keep;
	d->count = MAX(d->count, key + 1);
	mutex_exit(&d->lock);
	*keyp = key;
	return 0;
}

/* Hands a value to its destructor, if there is one. */
static void
end_value(struct specificdata_domain *d, struct specificdata_container *values,
    u_int key)
{
	void *value = key < values->count ? values->value[key] : NULL;

	KASSERT(mutex_owned(&d->lock));
	if (value == NULL)
		return;
	KASSERT(d->end[key] != NULL);
	values->value[key] = NULL;
	d->end[key](value);
}

void
specificdata_key_delete(struct specificdata_domain *d, u_int key)
{
	struct specificdata_container *values;

	mutex_enter(&d->lock);
	LIST_FOREACH(values, &d->all, link)
		end_value(d, values, key);
	d->end[key] = NULL;
	mutex_exit(&d->lock);
}

void
kern_specific_init(specificdata_reference *ref)
{
	ref->specdataref_container = NULL;
	mutex_init(&ref->specdataref_lock, MUTEX_DEFAULT, IPL_NONE);
}

void
specificdata_fini(struct specificdata_domain *d, specificdata_reference *ref)
{
	struct specificdata_container *values = ref->specdataref_container;
	u_int key;

	ASSERT_SLEEPABLE();
	mutex_destroy(&ref->specdataref_lock);
	ref->specdataref_container = NULL;
	if (values == NULL)
		return;
	mutex_enter(&d->lock);
	LIST_REMOVE(values, link);
	for (key = 0; key < values->count; key++)
		end_value(d, values, key);
	mutex_exit(&d->lock);
	kmem_free(values, size_of(values->count));
}

/* The caller knows that nobody sets or destroys anything meanwhile. */
void *
specificdata_getspecific_unlocked(specificdata_domain_t d,
    specificdata_reference *ref, specificdata_key_t key)
{
	void **at = slot(ref, key);

	return at != NULL ? *at : NULL;
}

void *
specificdata_getspecific(specificdata_domain_t d, specificdata_reference *ref,
    specificdata_key_t key)
{
	void *value;

	mutex_enter(&ref->specdataref_lock);
	value = specificdata_getspecific_unlocked(d, ref, key);
	mutex_exit(&ref->specdataref_lock);
	return value;
}

/* False if there is no room for the key yet. */
static bool
store(specificdata_reference *ref, u_int key, void *value)
{
	void **at;

	mutex_enter(&ref->specdataref_lock);
	if ((at = slot(ref, key)) != NULL)
		*at = value;
	mutex_exit(&ref->specdataref_lock);
	return at != NULL;
}

/* Makes room for all keys that there are; who reads the old room loses it. */
static void
grow(struct specificdata_domain *d, specificdata_reference *ref)
{
	struct specificdata_container *old, *values;

	mutex_enter(&d->lock);
	values = kmem_zalloc(size_of(d->count), KM_SLEEP);
	values->count = d->count;
	mutex_enter(&ref->specdataref_lock);
	if ((old = ref->specdataref_container) != NULL) {
		memcpy(values->value, old->value,
		    old->count * sizeof(old->value[0]));
		LIST_REMOVE(old, link);
	}
	LIST_INSERT_HEAD(&d->all, values, link);
	ref->specdataref_container = values;
	mutex_exit(&ref->specdataref_lock);
	mutex_exit(&d->lock);
	if (old != NULL)
		kmem_free(old, size_of(old->count));
}

void
specificdata_setspecific(struct specificdata_domain *d,
    specificdata_reference *ref, u_int key, void *value)
{
	ASSERT_SLEEPABLE();
	if (store(ref, key, value))
		return;
	grow(d, ref);
	KASSERT(store(ref, key, value));
}

/* Processes and threads */

int
proc_specific_key_create(specificdata_key_t *key, specificdata_dtor_t end)
{
	return specificdata_key_create(&proc_domain, key, end);
}

void
proc_specific_key_delete(specificdata_key_t key)
{
	specificdata_key_delete(&proc_domain, key);
}

void *
proc_getspecific(struct proc *p, specificdata_key_t key)
{
	return specificdata_getspecific(&proc_domain, &p->p_specdataref, key);
}

void
proc_setspecific(struct proc *p, specificdata_key_t key, void *value)
{
	specificdata_setspecific(&proc_domain, &p->p_specdataref, key, value);
}

void
kern_proc_finispecific(struct proc *p)
{
	specificdata_fini(&proc_domain, &p->p_specdataref);
}

int
lwp_specific_key_create(specificdata_key_t *key, specificdata_dtor_t end)
{
	return specificdata_key_create(&lwp_domain, key, end);
}

void
lwp_specific_key_delete(specificdata_key_t key)
{
	specificdata_key_delete(&lwp_domain, key);
}

/* A thread reads its own without a lock. */
void *
lwp_getspecific(specificdata_key_t key)
{
	return specificdata_getspecific_unlocked(&lwp_domain,
	    &curlwp->l_specdataref, key);
}

void
lwp_setspecific(specificdata_key_t key, void *value)
{
	specificdata_setspecific(&lwp_domain, &curlwp->l_specdataref, key,
	    value);
}

void
kern_lwp_finispecific(struct lwp *l)
{
	specificdata_fini(&lwp_domain, &l->l_specdataref);
}
