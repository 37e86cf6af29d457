/*
 * kmem(9): what is not initialised is junk, what is freed is checked for the
 * size and for mutexes in it, and what may be waited for is not asked for where
 * nobody may wait.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "harness.h"
#include "host.h"

static u_int	alive;

u_int
harness_memory(void)
{
	return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}

static void *
memory(size_t n, km_flag_t flags, u_int fill)
{
	char *p;

	if (n == 0)
		panic("kmem_alloc: of 0 bytes");
	kern_assert_sleepable("kmem_alloc");
	if ((flags & KM_SLEEP) != 0)
		harness_nobody_waits("kmem_alloc", NULL);
	if ((flags & KM_SLEEP) == 0 && harness_fails())
		return NULL;
	p = host_alloc(n + 16);
	*(size_t *)(void *)p = n;
	memset(p + 16, (int)fill, n);
	(void)__atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
	return p + 16;
}

void *
kmem_alloc(size_t n, km_flag_t flags)
{
	return memory(n, flags, HARNESS_JUNK);
}

void *
kmem_zalloc(size_t n, km_flag_t flags)
{
	return memory(n, flags, 0);
}

void
kmem_free(void *v, size_t n)
{
	const kmutex_t *m;
	char *p = v;

	kern_assert_sleepable("kmem_free");
	if (*(size_t *)(void *)(p - 16) != n)
		panic("kmem_free: %zu bytes of %zu", n,
		    *(size_t *)(void *)(p - 16));
	if ((m = harness_mutex_in(p, n)) != NULL)
		panic("kmem_free: of memory with the mutex %s in it",
		    m->mu_name);
	(void)__atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
	host_free(p - 16);
}

void *kmem_intr_alloc(size_t n, km_flag_t f) { return kmem_alloc(n, f); }
void *kmem_intr_zalloc(size_t n, km_flag_t f) { return kmem_zalloc(n, f); }
void kmem_intr_free(void *p, size_t n) { kmem_free(p, n); }
