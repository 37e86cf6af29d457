// Package linux is a program for Linux that makes system calls, and what it is
// told: what the adversary runs where a kernel emulates Linux. A program of Go's
// has threads that wake each other, which the emulation does not always do.
package linux
