// Package cmdline is what runcell's programs have in common: the flags before
// the command, help, the log, and the way from an error to an exit code. To a
// user they are one program, runcell.
package cmdline
