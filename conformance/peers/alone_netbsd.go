package main

// On NetBSD there is nothing to run.

import "errors"

// alone fails: the suites are Linux's.
func alone() error { return errors.New("the suites run on Linux") }
