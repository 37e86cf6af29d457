package main

// On Linux it is no host: only what an emulation runs.

import "errors"

func host([]string) error { return errors.New("cells and their module are NetBSD's: run it there") }
