/*
 * Types, constants and small functions under the kernel's names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */

#ifndef KERN_BASE_H
#define KERN_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define	__NetBSD__		1
#define	__NetBSD_Version__	1099001200
#define	DIAGNOSTIC		1

typedef unsigned char	u_char;
typedef unsigned short	u_short;
typedef unsigned int	u_int;
typedef unsigned long	u_long;
typedef int64_t		time_t;
typedef long		register_t;
typedef long		ssize_t;
typedef int32_t		pid_t;
typedef int32_t		lwpid_t;
typedef uint32_t	uid_t;
typedef uint32_t	gid_t;
typedef uint32_t	mode_t;
typedef uint64_t	dev_t;
typedef int		devmajor_t;
typedef int		devminor_t;
typedef int		pri_t;
typedef uintptr_t	vaddr_t;
typedef size_t		vsize_t;
typedef int64_t		off_t;
typedef uint64_t	rlim_t;
typedef int		clockid_t;

struct timespec { time_t tv_sec; long tv_nsec; };

#define	__dead			__attribute__((__noreturn__))
#define	__unused		__attribute__((__unused__))
#define	__diagused
#define	__read_mostly
#define	__cacheline_aligned
#define	__printflike(a, b)	__attribute__((__format__(__printf__, a, b)))
#define	__predict_true(e)	__builtin_expect((e) != 0, 1)
#define	__predict_false(e)	__builtin_expect((e) != 0, 0)
#define	__arraycount(a)		(sizeof(a) / sizeof((a)[0]))
#define	__UNCONST(p)		((void *)(uintptr_t)(const void *)(p))
#define	__UNVOLATILE(p)		((void *)(uintptr_t)(volatile void *)(p))
#define	__USE(x)		((void)(x))
#define	__BIT(n)		((uintmax_t)1 << (n))
#define	__RCSID(s)
#define	__KERNEL_RCSID(n, s)
#define	__CTASSERT(e)		_Static_assert(e, #e)
#define	CTASSERT(e)		_Static_assert(e, #e)
#define	__strong_alias(a, b)
#define	container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))

#define	MIN(a, b)		((a) < (b) ? (a) : (b))
#define	MAX(a, b)		((a) > (b) ? (a) : (b))
#define	UINT_MAX		0xffffffffU
#define	INT_MAX			0x7fffffff
#define	howmany(a, b)		(((a) + (b) - 1) / (b))
#define	roundup(a, b)		(howmany(a, b) * (b))
#define	NBBY			8

#define	EPERM		1
#define	ENOENT		2
#define	ESRCH		3
#define	EINTR		4
#define	ENXIO		6
#define	EAGAIN		35
#define	EWOULDBLOCK	EAGAIN
#define	ENOMEM		12
#define	EACCES		13
#define	EFAULT		14
#define	EBUSY		16
#define	EEXIST		17
#define	ENOTSUP		86
#define	ENODEV		19
#define	ENOTDIR		20
#define	EINVAL		22
#define	ENOTTY		25
#define	ENOSPC		28
#define	ERANGE		34
#define	EADDRINUSE	48
#define	EADDRNOTAVAIL	49
#define	EOPNOTSUPP	45
#define	ENOSYS		78
#define	EOVERFLOW	84
#define	ENAMETOOLONG	63

void	*memcpy(void *, const void *, size_t);
void	*memmove(void *, const void *, size_t);
void	*memset(void *, int, size_t);
int	memcmp(const void *, const void *, size_t);
void	*memchr(const void *, int, size_t);
size_t	strlen(const char *);
int	strcmp(const char *, const char *);
int	strncmp(const char *, const char *, size_t);
char	*strchr(const char *, int);
size_t	strlcpy(char *, const char *, size_t);
int	snprintf(char *, size_t, const char *, ...) __printflike(3, 4);
int	kheapsort(void *, size_t, size_t, int (*)(const void *, const void *),
	    void *);

void	printf(const char *, ...) __printflike(1, 2);
void	aprint_error(const char *, ...) __printflike(1, 2);
void	log(int, const char *, ...) __printflike(2, 3);
void	panic(const char *, ...) __dead __printflike(1, 2);

#define	KASSERT(e) \
	((e) ? (void)0 : panic("assertion \"%s\" failed: %s:%d", #e, \
	    __FILE__, __LINE__))
#define	KASSERTMSG(e, fmt, ...) \
	((e) ? (void)0 : panic("assertion \"%s\" failed: " fmt, #e, \
	    ##__VA_ARGS__))
#define	KDASSERT(e)	KASSERT(e)

#define	LOG_ERR		3
#define	LOG_WARNING	4
#define	LOG_NOTICE	5
#define	LOG_INFO	6

static inline uint16_t bswap16(uint16_t v) { return __builtin_bswap16(v); }
static inline uint32_t bswap32(uint32_t v) { return __builtin_bswap32(v); }
#define	_BYTE_ORDER	__BYTE_ORDER__
#define	_BIG_ENDIAN	__ORDER_BIG_ENDIAN__
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define	ntohs(v)	bswap16(v)
#define	htons(v)	bswap16(v)
#define	ntohl(v)	bswap32(v)
#define	htonl(v)	bswap32(v)
#else
#define	ntohs(v)	(v)
#define	htons(v)	(v)
#define	ntohl(v)	(v)
#define	htonl(v)	(v)
#endif

extern const int	hz;
#define	time_uptime	kern_uptime()
time_t	kern_uptime(void);
void	getnanouptime(struct timespec *);
void	nanouptime(struct timespec *);

#endif
