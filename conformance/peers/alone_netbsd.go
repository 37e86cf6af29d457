package main

// On NetBSD there is nothing to run.

import "errors"

// alone fails: the suites are Linux's.
func alone() error { return errors.New("the suites run on Linux") }

// running tells nothing.
func running() map[int]string { return nil }

// tidy has nothing to do.
func tidy(map[int]string) {}

// adopt has nothing to do.
func adopt(int) func() { return func() {} }
