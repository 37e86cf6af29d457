// Package service is what a declaration of a cell says, and what follows from it
// without a look at the machine: the order of starting, the rc.d script, which
// root file systems a cell has had, what differs between two configurations. It
// starts nothing, and writes nothing.
//
// A declaration is a file of lines "key = value", in the words of "runcell run".
// It is no script, as rc.conf(5) is, since what runs as root must not be what
// somebody pasted; and no JSON or TOML, since it is typed with vi at night: one
// line, one setting, and an error names the line. jail.conf(5) has one file for
// all jails, with variables and inheritance, so that a slip in one is a slip in
// all; a generated script for each cell would be a second truth beside the file.
package service
