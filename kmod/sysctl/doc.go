// Package sysctl speaks to secmodel_cell on NetBSD through its sysctl nodes
// below security.models.cell, see docs/kernel-abi.md. It is a kmod.Client for
// this project's module and for the published one, which has fewer nodes: what
// is missing there a helper in the cell does (members.go), or Features says
// that it is absent.
//
// Everything but the raw system calls is ordinary Go that builds and is
// tested on other systems, against a kernel that answers in the documented
// order of errors.
package sysctl
