package main

// On NetBSD there are no container tools to drive, and no filter that asks
// before a system call.

import "errors"

const (
	driverArg = "clients"
	execArg   = "inject"
)

func drive([]string) error { return errors.New("container tools do not run on NetBSD") }

func underFilter([]string) error { return errors.New("system calls can't be made to fail on NetBSD") }

func loadSuites() error { return nil }
