/*
 * Locks, with the checks of LOCKDEBUG and DIAGNOSTIC; memory.c has the rest.
 *
 * A thread keeps a list of the mutexes it holds, so that every rule is checked
 * at the first call that breaks it, however the threads run:
 *
 * - a mutex that was never initialised, is destroyed, is held already by the
 *   thread, or is not held when it is left;
 * - an adaptive mutex, any wait and any memory request under a spin mutex, in
 *   a passive read section, or with preemption off;
 * - memory that is freed with a mutex in it that is not destroyed;
 * - memory that may be waited for (KM_SLEEP) under a mutex under which nobody
 *   may wait: a process's, the process list's, a socket's.  LOCKDEBUG lets
 *   this pass; the module's own rule does not.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#include "kern.h"
#include "host.h"
#include "harness.h"

#define	MU_ALIVE	0x4d555445
#define	MU_DEAD		0x64656164
#define	HELD_MAX	16

static __thread struct {
	kmutex_t	*mutexes[HELD_MAX];
	u_int		nmutex;
	u_int		nread;		/* passive sections, preemption off */
	u_int		nrw;
	bool		softint;
} held;

static kmutex_t	*all_mutexes;
static uint64_t	all_lock[6];

/* Panics. */

void
panic(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	u_int i;

	host_write("panic: ");
	va_start(ap, fmt);
	(void)host_format(text, sizeof(text), fmt, ap);
	va_end(ap);
	host_write(text);
	host_write("\n");
	for (i = 0; i < held.nmutex; i++) {
		host_write("holding ");
		host_write(held.mutexes[i]->mu_name);
		host_write("\n");
	}
	host_stack();
	host_exit(HARNESS_PANIC);
}

u_int
harness_held(void)
{
	return held.nmutex + held.nread + held.nrw;
}

static bool
holds_spin(void)
{
	u_int i;

	for (i = 0; i < held.nmutex; i++)
		if (held.mutexes[i]->mu_spin)
			return true;
	return false;
}

/* Whatever may wait calls this. */
static void
may_wait(const char *what)
{
	if (holds_spin())
		panic("%s: spin lock held", what);
	if (held.nread != 0)
		panic("%s: in a section that may not sleep", what);
	if (held.softint)
		panic("%s: in a soft interrupt", what);
}

void
kern_assert_sleepable(const char *what)
{
	may_wait(what);
}

/* Nor may it under a mutex that others need to go on; but is let go. */
void
harness_nobody_waits(const char *what, const kmutex_t *but)
{
	u_int i;

	may_wait(what);
	for (i = 0; i < held.nmutex; i++)
		if (held.mutexes[i] != but && held.mutexes[i]->mu_nosleep)
			panic("%s: waits with %s held", what,
			    held.mutexes[i]->mu_name);
}

bool cpu_intr_p(void) { return false; }
bool cpu_softintr_p(void) { return held.softint; }
void harness_softint(bool in) { held.softint = in; }

/* Mutexes. */

void
harness_lock_init(void)
{
	host_mutex_init(all_lock);
}

void
kern_mutex_init(kmutex_t *m, kmutex_type_t type, int ipl, const char *name)
{
	memset(m, 0, sizeof(*m));
	m->mu_name = name;
	/* An adaptive mutex of a hardware interrupt's level is a spin mutex. */
	m->mu_spin = type == MUTEX_SPIN ||
	    (type == MUTEX_DEFAULT && ipl >= IPL_VM);
	host_mutex_init(m->mu_host);
	m->mu_state = MU_ALIVE;
	host_mutex_enter(all_lock);
	if ((m->mu_next = all_mutexes) != NULL)
		all_mutexes->mu_prev = m;
	all_mutexes = m;
	host_mutex_exit(all_lock);
}

static void
mutex_check(const kmutex_t *m, const char *what)
{
	if (m->mu_state == MU_DEAD)
		panic("%s: destroyed mutex %s", what, m->mu_name);
	if (m->mu_state != MU_ALIVE)
		panic("%s: uninitialized mutex %p", what, (const void *)m);
}

static u_int
held_index(const kmutex_t *m)
{
	u_int i;

	for (i = held.nmutex; i-- > 0;)
		if (held.mutexes[i] == m)
			return i;
	return HELD_MAX;
}

void
mutex_destroy(kmutex_t *m)
{
	mutex_check(m, "mutex_destroy");
	if (m->mu_owner != NULL)
		panic("mutex_destroy: %s is held", m->mu_name);
	host_mutex_enter(all_lock);
	if (m->mu_next != NULL)
		m->mu_next->mu_prev = m->mu_prev;
	if (m->mu_prev != NULL)
		m->mu_prev->mu_next = m->mu_next;
	else
		all_mutexes = m->mu_next;
	host_mutex_exit(all_lock);
	host_mutex_destroy(m->mu_host);
	m->mu_state = MU_DEAD;
}

static void
mutex_took(kmutex_t *m)
{
	if (held.nmutex == HELD_MAX)
		panic("harness: too many mutexes are held");
	m->mu_owner = curlwp;
	held.mutexes[held.nmutex++] = m;
}

static void
mutex_want(kmutex_t *m)
{
	mutex_check(m, "mutex_enter");
	if (held_index(m) != HELD_MAX)
		panic("mutex_enter: locking %s against myself", m->mu_name);
	if (m->mu_spin)
		return;
	if (holds_spin())
		panic("mutex_enter: %s: spin lock held", m->mu_name);
	if (held.nread != 0)
		panic("mutex_enter: %s: in a section that may not sleep",
		    m->mu_name);
}

void
mutex_enter(kmutex_t *m)
{
	mutex_want(m);
	host_mutex_enter(m->mu_host);
	mutex_took(m);
}

int
mutex_tryenter(kmutex_t *m)
{
	mutex_check(m, "mutex_tryenter");
	if (held_index(m) != HELD_MAX || !host_mutex_try(m->mu_host))
		return 0;
	mutex_took(m);
	return 1;
}

void
mutex_exit(kmutex_t *m)
{
	u_int i = held_index(m);

	mutex_check(m, "mutex_exit");
	if (i == HELD_MAX)
		panic("mutex_exit: %s is not held", m->mu_name);
	for (held.nmutex--; i < held.nmutex; i++)
		held.mutexes[i] = held.mutexes[i + 1];
	m->mu_owner = NULL;
	host_mutex_exit(m->mu_host);
}

void
mutex_spin_enter(kmutex_t *m)
{
	if (!m->mu_spin)
		panic("mutex_spin_enter: %s is adaptive", m->mu_name);
	mutex_enter(m);
}

void
mutex_spin_exit(kmutex_t *m)
{
	mutex_exit(m);
}

int
mutex_owned(const kmutex_t *m)
{
	mutex_check(m, "mutex_owned");
	return held_index(m) != HELD_MAX;
}

kmutex_t *
mutex_obj_alloc(kmutex_type_t type, int ipl)
{
	kmutex_t *m = host_alloc(sizeof(*m));

	kern_mutex_init(m, type, ipl, "mutex_obj");
	m->mu_refs = 1;
	return m;
}

void
mutex_obj_hold(kmutex_t *m)
{
	atomic_inc_uint(&m->mu_refs);
}

bool
mutex_obj_free(kmutex_t *m)
{
	if (__atomic_sub_fetch(&m->mu_refs, 1, __ATOMIC_ACQ_REL) != 0)
		return false;
	mutex_destroy(m);
	host_free(m);
	return true;
}

/* One that is not destroyed and lies in that memory, or NULL. */
const kmutex_t *
harness_mutex_in(const char *p, size_t n)
{
	const kmutex_t *m;

	host_mutex_enter(all_lock);
	for (m = all_mutexes; m != NULL; m = m->mu_next)
		if ((const char *)m >= p && (const char *)m < p + n)
			break;
	host_mutex_exit(all_lock);
	return m;
}

void
harness_nosleep(kmutex_t *m, const char *name)
{
	m->mu_nosleep = true;
	m->mu_name = name;
}

/* Reader/writer locks. */

void
kern_rw_init(krwlock_t *r, const char *name)
{
	memset(r, 0, sizeof(*r));
	r->rw_name = name;
	host_rw_init(r->rw_host);
	r->rw_state = MU_ALIVE;
}

static void
rw_check(const krwlock_t *r, const char *what)
{
	if (r->rw_state != MU_ALIVE)
		panic("%s: %s rwlock %p", what, r->rw_state == MU_DEAD ?
		    "destroyed" : "uninitialized", (const void *)r);
}

void
rw_destroy(krwlock_t *r)
{
	rw_check(r, "rw_destroy");
	host_rw_destroy(r->rw_host);
	r->rw_state = MU_DEAD;
}

void
rw_enter(krwlock_t *r, krw_t how)
{
	rw_check(r, "rw_enter");
	may_wait("rw_enter");
	if (rw_write_held(r))
		panic("rw_enter: locking %s against myself", r->rw_name);
	host_rw_enter(r->rw_host, how == RW_WRITER);
	held.nrw++;
	if (how == RW_WRITER)
		atomic_store_relaxed(&r->rw_writer, curlwp);
}

int
rw_tryenter(krwlock_t *r, krw_t how)
{
	rw_check(r, "rw_tryenter");
	if (!host_rw_try(r->rw_host, how == RW_WRITER))
		return 0;
	held.nrw++;
	if (how == RW_WRITER)
		atomic_store_relaxed(&r->rw_writer, curlwp);
	return 1;
}

void
rw_exit(krwlock_t *r)
{
	rw_check(r, "rw_exit");
	if (held.nrw == 0)
		panic("rw_exit: %s is not held", r->rw_name);
	held.nrw--;
	if (rw_write_held(r))
		atomic_store_relaxed(&r->rw_writer, NULL);
	host_rw_exit(r->rw_host);
}

int
rw_lock_held(krwlock_t *r)
{
	rw_check(r, "rw_lock_held");
	return held.nrw != 0;
}

int
rw_write_held(krwlock_t *r)
{
	rw_check(r, "rw_write_held");
	return curlwp != NULL && atomic_load_relaxed(&r->rw_writer) == curlwp;
}

/* Condition variables. */

void
cv_init(kcondvar_t *c, const char *name)
{
	memset(c, 0, sizeof(*c));
	host_cv_init(c->cv_host);
	c->cv_state = MU_ALIVE;
}

static void
cv_check(const kcondvar_t *c, const char *what)
{
	if (c->cv_state != MU_ALIVE)
		panic("%s: %s condition variable", what,
		    c->cv_state == MU_DEAD ? "destroyed" : "uninitialized");
}

void
cv_destroy(kcondvar_t *c)
{
	cv_check(c, "cv_destroy");
	host_cv_destroy(c->cv_host);
	c->cv_state = MU_DEAD;
}

static bool
cv_sleep(kcondvar_t *c, kmutex_t *m, u_int ms)
{
	u_int i;
	bool woken;

	cv_check(c, "cv_wait");
	i = held_index(m);
	if (i == HELD_MAX)
		panic("cv_wait: %s is not held", m->mu_name);
	harness_nobody_waits("cv_wait", m);
	for (held.nmutex--; i < held.nmutex; i++)
		held.mutexes[i] = held.mutexes[i + 1];
	m->mu_owner = NULL;
	woken = host_cv_wait(c->cv_host, m->mu_host, ms);
	mutex_took(m);
	return woken;
}

void
cv_wait(kcondvar_t *c, kmutex_t *m)
{
	(void)cv_sleep(c, m, 0);
}

int
cv_timedwait(kcondvar_t *c, kmutex_t *m, int ticks)
{
	u_int ms = (u_int)ticks * 1000 / (u_int)hz / HARNESS_FASTER;

	if (ticks == 0) {
		cv_wait(c, m);
		return 0;
	}
	return cv_sleep(c, m, MAX(ms, 1)) ? 0 : EWOULDBLOCK;
}

void
cv_broadcast(kcondvar_t *c)
{
	cv_check(c, "cv_broadcast");
	host_cv_wake(c->cv_host);
}

void
cv_signal(kcondvar_t *c)
{
	cv_broadcast(c);
}

int
kpause(const char *why, bool intr, int ticks, kmutex_t *m)
{
	if (m != NULL)
		mutex_exit(m);
	harness_nobody_waits("kpause", NULL);
	host_sleep(MAX((u_int)ticks * 1000 / (u_int)hz / HARNESS_FASTER, 1));
	if (m != NULL)
		mutex_enter(m);
	return EWOULDBLOCK;
}

/* Passive serialization: readers hold a lock of the host's for reading. */

static uint64_t	passive[8];

void
harness_passive_init(void)
{
	host_rw_init(passive);
}

pserialize_t
pserialize_create(void)
{
	return kmem_zalloc(sizeof(struct pserialize), KM_SLEEP);
}

void
pserialize_destroy(pserialize_t psz)
{
	kmem_free(psz, sizeof(*psz));
}

int
pserialize_read_enter(void)
{
	if (held.nread++ == 0)
		host_rw_enter(passive, false);
	return 0;
}

void
pserialize_read_exit(int s)
{
	if (held.nread == 0)
		panic("pserialize_read_exit: not in a read section");
	if (--held.nread == 0)
		host_rw_exit(passive);
}

void
pserialize_perform(pserialize_t psz)
{
	xc_barrier(0);
}

void kpreempt_disable(void) { (void)pserialize_read_enter(); }
void kpreempt_enable(void) { pserialize_read_exit(0); }
bool kpreempt_disabled(void) { return held.nread != 0; }

/* Returns when every section that had begun has ended. */
void
xc_barrier(u_int flags)
{
	harness_nobody_waits("xc_barrier", NULL);
	host_rw_enter(passive, true);
	host_rw_exit(passive);
}

/* The atomic operations have the order that these give: see lock.h. */
void membar_acquire(void) { __asm volatile("" ::: "memory"); }
void membar_release(void) { __asm volatile("" ::: "memory"); }
void membar_producer(void) { __asm volatile("" ::: "memory"); }
void membar_consumer(void) { __asm volatile("" ::: "memory"); }
void membar_sync(void) { __asm volatile("" ::: "memory"); }
