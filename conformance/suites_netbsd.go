package main

// On NetBSD there are no container tools to drive.

import "errors"

const driverArg = "clients"

func drive([]string) error { return errors.New("container tools do not run on NetBSD") }

func loadSuites() error { return nil }
