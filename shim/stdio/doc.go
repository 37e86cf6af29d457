// Package stdio is where a process's streams lead to: FIFOs whose other ends a
// client of containerd holds, files, a program that logs, a terminal. What needs
// no copying is given to the process directly, so nothing is lost when the shim
// is busy or gone.
package stdio
