/*
 * This machine's threads, memory and terminal, for the stand-ins; see host.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#define	_GNU_SOURCE
#include <sys/types.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

_Static_assert(sizeof(pthread_mutex_t) <= 6 * sizeof(uint64_t), "mutex");
_Static_assert(sizeof(pthread_rwlock_t) <= 8 * sizeof(uint64_t), "rwlock");
_Static_assert(sizeof(pthread_cond_t) <= 8 * sizeof(uint64_t), "cond");

/* In every sanitizer's runtime. */
void	__sanitizer_print_stack_trace(void);

#ifdef __SANITIZE_THREAD__
/*
 * A volatile word that one thread reads while another writes it is no race in
 * the kernel.  The compiler calls these instead of reporting one.  A word as
 * large as a pointer may be one: whoever follows it sees what it points to as
 * it was when it was stored, as far as whoever stored it said so.
 */
void __tsan_acquire(void *);
#define	VOLATILE(n, read) \
void __tsan_volatile_read##n(void *); \
void __tsan_volatile_read##n(void *p) { read; } \
void __tsan_volatile_write##n(void *); \
void __tsan_volatile_write##n(void *p) { (void)p; }
VOLATILE(1, (void)p)
VOLATILE(2, (void)p)
VOLATILE(4, (void)p)
VOLATILE(8, __tsan_acquire(p))
#endif

static void
check(int error, const char *what)
{
	if (error == 0)
		return;
	fprintf(stderr, "harness: %s: %s\n", what, strerror(error));
	abort();
}

void
host_mutex_init(uint64_t *m)
{
	check(pthread_mutex_init((pthread_mutex_t *)m, NULL), "mutex_init");
}

void
host_mutex_destroy(uint64_t *m)
{
	check(pthread_mutex_destroy((pthread_mutex_t *)m), "mutex_destroy");
}

void
host_mutex_enter(uint64_t *m)
{
	check(pthread_mutex_lock((pthread_mutex_t *)m), "mutex_lock");
}

bool
host_mutex_try(uint64_t *m)
{
	return pthread_mutex_trylock((pthread_mutex_t *)m) == 0;
}

void
host_mutex_exit(uint64_t *m)
{
	check(pthread_mutex_unlock((pthread_mutex_t *)m), "mutex_unlock");
}

void
host_rw_init(uint64_t *r)
{
	check(pthread_rwlock_init((pthread_rwlock_t *)r, NULL), "rwlock_init");
}

void
host_rw_destroy(uint64_t *r)
{
	check(pthread_rwlock_destroy((pthread_rwlock_t *)r), "rwlock_destroy");
}

void
host_rw_enter(uint64_t *r, bool write)
{
	if (write)
		check(pthread_rwlock_wrlock((pthread_rwlock_t *)r), "wrlock");
	else
		check(pthread_rwlock_rdlock((pthread_rwlock_t *)r), "rdlock");
}

bool
host_rw_try(uint64_t *r, bool write)
{
	pthread_rwlock_t *rw = (pthread_rwlock_t *)r;

	return (write ? pthread_rwlock_trywrlock(rw) :
	    pthread_rwlock_tryrdlock(rw)) == 0;
}

void
host_rw_exit(uint64_t *r)
{
	check(pthread_rwlock_unlock((pthread_rwlock_t *)r), "rwlock_unlock");
}

void
host_cv_init(uint64_t *c)
{
	check(pthread_cond_init((pthread_cond_t *)c, NULL), "cond_init");
}

void
host_cv_destroy(uint64_t *c)
{
	check(pthread_cond_destroy((pthread_cond_t *)c), "cond_destroy");
}

bool
host_cv_wait(uint64_t *c, uint64_t *m, unsigned ms)
{
	struct timespec ts;

	if (ms == 0) {
		check(pthread_cond_wait((pthread_cond_t *)c,
		    (pthread_mutex_t *)m), "cond_wait");
		return true;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	ts.tv_sec += (time_t)(ms / 1000) + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return pthread_cond_timedwait((pthread_cond_t *)c,
	    (pthread_mutex_t *)m, &ts) == 0;
}

void
host_cv_wake(uint64_t *c)
{
	check(pthread_cond_broadcast((pthread_cond_t *)c), "cond_broadcast");
}

struct start {
	pthread_t	thread;
	void		(*function)(void *);
	void		*arg;
};

static void *
run(void *arg)
{
	struct start *s = arg;

	s->function(s->arg);
	return NULL;
}

void *
host_thread(void (*function)(void *), void *arg)
{
	struct start *s = malloc(sizeof(*s));

	if (s == NULL)
		abort();
	s->function = function;
	s->arg = arg;
	check(pthread_create(&s->thread, NULL, run, s), "pthread_create");
	return s;
}

void
host_join(void *thread)
{
	struct start *s = thread;

	check(pthread_join(s->thread, NULL), "pthread_join");
	free(s);
}

void
host_thread_end(void)
{
	pthread_exit(NULL);
}

void
host_sleep(unsigned ms)
{
	struct timespec ts = { (time_t)(ms / 1000), ms % 1000 * 1000000L };

	(void)nanosleep(&ts, NULL);
}

void
host_yield(void)
{
	(void)sched_yield();
}

uint64_t
host_time(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

void *
host_alloc(size_t n)
{
	void *p = malloc(n);

	if (p == NULL)
		abort();
	return p;
}

void
host_free(void *p)
{
	free(p);
}

void
host_sort(void *p, size_t n, size_t size,
    int (*compare)(const void *, const void *))
{
	qsort(p, n, size, compare);
}

int
host_format(char *to, size_t n, const char *fmt, va_list ap)
{
	return vsnprintf(to, n, fmt, ap);
}

void
host_write(const char *s)
{
	fputs(s, stderr);
}

void
host_stack(void)
{
	__sanitizer_print_stack_trace();
}

void
host_exit(int status)
{
	fflush(NULL);
	_exit(status);
}

const char *
host_environment(const char *name)
{
	return getenv(name);
}

unsigned long
host_number(const char *s)
{
	return strtoul(s, NULL, 0);
}
