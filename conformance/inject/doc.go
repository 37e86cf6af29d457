// Package inject is the suite that makes system calls of a runtime fail: each
// call that a command makes, one in each run, with each of the errors that a
// kernel out of luck gives, or by killing the process there. A command that
// then says that it succeeded must have done so, one that says that it failed
// must say why, and nothing may be left.
//
// A filter of seccomp(2) asks this program before each call. It counts the
// calls of all of a command's processes together, so that a number means one
// call: strace counts each thread's own, and fails one in each of them.
package inject
