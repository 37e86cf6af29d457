// Package containerd is the suite of containerd's sessions on NetBSD: ctr and
// nerdctl against a containerd of each case's own, with the project's shim. It
// knows programs by their command lines only; they lie beside the suite, in the
// directory containerd.
package containerd
