package main

import "errors"

const driverArg = "clients"

func drive([]string) error { return errors.New("container tools do not run on NetBSD") }

func loadSuites() error { return nil }
