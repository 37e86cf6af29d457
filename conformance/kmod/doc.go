// Package kmod is the suite for the kernel interface of cells: the contract of
// secmodel_cell, as cases. Each file is a group of cases as a table; a case
// names the node or the class of the policy that it is about.
//
// The same cases run against the module on NetBSD and against the emulator on
// Linux, through kmod.Client. What goes over the wire is tested by calls of
// its own, on NetBSD only.
//
// Package agent is the program inside a cell, package node the way to the
// kernel; neither knows the cases.
package kmod
