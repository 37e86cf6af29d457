// Package state is what is stored of a container: its directory below the state
// root, and in it the lock, the record and the Plan.
//
//	<root>/<id>/               0700, flock(2)ed while a command changes it
//	<root>/<id>/creating.json  the record while it is being created
//	<root>/<id>/state.json     the record from then on; it goes before the other
//	<root>/<id>/plan.json      the Plan, written once, before any record
//	<root>/<id>/exec.fifo      there until `start` has released the process
//	<root>/<id>/init.error     what the child's program says when it fails
//	<root>/<id>/init.steps     what the steps are called that it may name, from create to delete
//	<root>/<id>/exit.status    how the process ended, where a monitor waits for that
//
// Nothing is fsynced: no cell survives a reboot, so neither need its record.
// There are two records because some file systems flush a file that is renamed
// over another one, which takes longer than everything else in create.
//
// It never asks the kernel's cells, signals no process, and touches nothing but
// the state directory.
package state
