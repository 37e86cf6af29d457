//go:build !linux

package main

// No mount namespaces: programs start where the bench runs.

func privateLauncher() (launcher, error) { return plainLauncher{}, nil }
