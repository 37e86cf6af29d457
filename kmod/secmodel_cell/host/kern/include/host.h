/*
 * The stand-ins' way to this machine: its threads, memory and terminal.  The
 * files that know the kernel's names are compiled without libc's headers, and
 * host.c without the kernel's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_HOST_H
#define KERN_HOST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The storage of each has the size that lock.h gives it. */
void	host_mutex_init(uint64_t *);
void	host_mutex_destroy(uint64_t *);
void	host_mutex_enter(uint64_t *);
bool	host_mutex_try(uint64_t *);
void	host_mutex_exit(uint64_t *);
void	host_rw_init(uint64_t *);
void	host_rw_destroy(uint64_t *);
void	host_rw_enter(uint64_t *, bool);
bool	host_rw_try(uint64_t *, bool);
void	host_rw_exit(uint64_t *);
void	host_cv_init(uint64_t *);
void	host_cv_destroy(uint64_t *);
/* Waits for so many milliseconds at most; 0: until it is woken. */
bool	host_cv_wait(uint64_t *, uint64_t *, unsigned);
void	host_cv_wake(uint64_t *);

void	*host_thread(void (*)(void *), void *);
void	host_join(void *);
void	host_thread_end(void) __attribute__((__noreturn__));
void	host_sleep(unsigned);	/* milliseconds */
void	host_yield(void);
uint64_t host_time(void);	/* ns */

void	*host_alloc(size_t);
void	host_free(void *);
void	host_sort(void *, size_t, size_t,
	    int (*)(const void *, const void *));
int	host_format(char *, size_t, const char *, va_list);
void	host_write(const char *);
void	host_stack(void);
void	host_exit(int) __attribute__((__noreturn__));
const char *host_environment(const char *);
unsigned long host_number(const char *);

#endif
