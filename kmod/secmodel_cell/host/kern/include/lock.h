/*
 * Mutexes, reader/writer locks, condition variables, atomic operations, and
 * memory: all that LOCKDEBUG and DIAGNOSTIC watch.  The have.sh of the module
 * reads this file as the kernel's sys/atomic.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_LOCK_H
#define KERN_LOCK_H

#include "base.h"

struct lwp;

typedef enum { MUTEX_DEFAULT, MUTEX_SPIN, MUTEX_ADAPTIVE } kmutex_type_t;
#define	IPL_NONE	0
#define	IPL_SOFTNET	4
#define	IPL_VM		6
#define	IPL_SCHED	7
#define	IPL_HIGH	8

typedef struct kmutex {
	uint32_t	mu_state;	/* MU_*, or a lock that never was */
	bool		mu_spin;
	bool		mu_nosleep;	/* memory must not be waited for */
	const char	*mu_name;
	struct lwp	*mu_owner;
	struct kmutex	*mu_next;	/* of all there are */
	struct kmutex	*mu_prev;
	u_int		mu_refs;	/* of mutex_obj_alloc */
	uint64_t	mu_host[6];
} kmutex_t;

void	kern_mutex_init(kmutex_t *, kmutex_type_t, int, const char *);
#define	mutex_init(m, t, i)	kern_mutex_init(m, t, i, #m)
void	mutex_destroy(kmutex_t *);
void	mutex_enter(kmutex_t *);
int	mutex_tryenter(kmutex_t *);
void	mutex_exit(kmutex_t *);
void	mutex_spin_enter(kmutex_t *);
void	mutex_spin_exit(kmutex_t *);
int	mutex_owned(const kmutex_t *);
kmutex_t *mutex_obj_alloc(kmutex_type_t, int);
void	mutex_obj_hold(kmutex_t *);
bool	mutex_obj_free(kmutex_t *);

typedef enum { RW_READER, RW_WRITER } krw_t;
typedef struct krwlock {
	uint32_t	rw_state;
	const char	*rw_name;
	struct lwp	*rw_writer;
	uint64_t	rw_host[8];
} krwlock_t;
void	kern_rw_init(krwlock_t *, const char *);
#define	rw_init(r)		kern_rw_init(r, #r)
void	rw_destroy(krwlock_t *);
void	rw_enter(krwlock_t *, krw_t);
int	rw_tryenter(krwlock_t *, krw_t);
void	rw_exit(krwlock_t *);
int	rw_lock_held(krwlock_t *);
int	rw_write_held(krwlock_t *);

typedef struct kcondvar {
	uint32_t	cv_state;
	uint64_t	cv_host[8];
} kcondvar_t;
void	cv_init(kcondvar_t *, const char *);
void	cv_destroy(kcondvar_t *);
void	cv_wait(kcondvar_t *, kmutex_t *);
int	cv_timedwait(kcondvar_t *, kmutex_t *, int);
void	cv_signal(kcondvar_t *);
void	cv_broadcast(kcondvar_t *);
int	kpause(const char *, bool, int, kmutex_t *);

/* Passive serialization: a read section may not sleep. */
typedef struct pserialize { uint64_t psz_host[8]; } *pserialize_t;
pserialize_t pserialize_create(void);
void	pserialize_destroy(pserialize_t);
int	pserialize_read_enter(void);
void	pserialize_read_exit(int);
void	pserialize_perform(pserialize_t);
void	kpreempt_disable(void);
void	kpreempt_enable(void);
bool	kpreempt_disabled(void);
void	xc_barrier(u_int);

/* Soft interrupts may take adaptive mutexes, and wait for nothing else. */
#define	SOFTINT_BIO	0x000
#define	SOFTINT_CLOCK	0x001
#define	SOFTINT_NET	0x003
#define	SOFTINT_MPSAFE	0x100
void	*softint_establish(u_int, void (*)(void *), void *);
void	softint_disestablish(void *);
void	softint_schedule(void *);

void	kern_assert_sleepable(const char *);
#define	ASSERT_SLEEPABLE()	kern_assert_sleepable("ASSERT_SLEEPABLE")
bool	cpu_intr_p(void);
bool	cpu_softintr_p(void);

typedef uint32_t km_flag_t;
#define	KM_SLEEP	1
#define	KM_NOSLEEP	2
void	*kmem_alloc(size_t, km_flag_t);
void	*kmem_zalloc(size_t, km_flag_t);
void	kmem_free(void *, size_t);
void	*kmem_intr_alloc(size_t, km_flag_t);
void	*kmem_intr_zalloc(size_t, km_flag_t);
void	kmem_intr_free(void *, size_t);

/*
 * The thread sanitizer takes a fence beside a relaxed operation for no order
 * at all, so the operation has it.
 */
#define	atomic_inc_uint(p) \
	((void)__atomic_add_fetch(p, 1, __ATOMIC_ACQ_REL))
#define	atomic_dec_uint(p) \
	((void)__atomic_sub_fetch(p, 1, __ATOMIC_ACQ_REL))
#define	atomic_inc_uint_nv(p)	__atomic_add_fetch(p, 1, __ATOMIC_ACQ_REL)
#define	atomic_dec_uint_nv(p)	__atomic_sub_fetch(p, 1, __ATOMIC_ACQ_REL)
#define	atomic_add_int(p, n) \
	((void)__atomic_add_fetch(p, n, __ATOMIC_ACQ_REL))
#define	atomic_add_int_nv(p, n)	__atomic_add_fetch(p, n, __ATOMIC_ACQ_REL)
#define	atomic_swap_uint(p, v)	__atomic_exchange_n(p, v, __ATOMIC_ACQ_REL)
#define	atomic_or_uint(p, v) \
	((void)__atomic_or_fetch(p, v, __ATOMIC_ACQ_REL))
#define	atomic_and_uint(p, v) \
	((void)__atomic_and_fetch(p, v, __ATOMIC_ACQ_REL))
static inline u_int
atomic_cas_uint(volatile u_int *p, u_int old, u_int new)
{
	__atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_ACQ_REL,
	    __ATOMIC_ACQUIRE);
	return old;
}
static inline void *
atomic_cas_ptr(volatile void *p, void *old, void *new)
{
	__atomic_compare_exchange_n((void *volatile *)p, &old, new, false,
	    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
	return old;
}
#define	atomic_swap_ptr(p, v) \
	((void *)__atomic_exchange_n((void *volatile *)(p), v, \
	    __ATOMIC_ACQ_REL))
#define	atomic_load_relaxed(p)		__atomic_load_n(p, __ATOMIC_RELAXED)
#define	atomic_load_consume(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define	atomic_load_acquire(p)		__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define	atomic_store_relaxed(p, v)	__atomic_store_n(p, v, __ATOMIC_RELAXED)
#define	atomic_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

void	membar_acquire(void);
void	membar_release(void);
void	membar_producer(void);
void	membar_consumer(void);
void	membar_sync(void);

#endif
