//go:build !netbsd

package main

// What is left of the agent elsewhere: the steps that are programs.

import (
	"errors"
	"io"
	"os"
	"runtime"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

var errNotNetBSD = errors.New("the agent does that on NetBSD only")

func boot() error { return errNotNetBSD }

func smoke() error { return errNotNetBSD }

func demo([]string) error { return errNotNetBSD }

func declared([]string) error { return errNotNetBSD }

func power(string, string, string, string, []string) error { return errNotNetBSD }

func port(string, string, string, []string) error { return errNotNetBSD }

func cost(string, int) error { return errNotNetBSD }

func crowd(int, []string) error { return errNotNetBSD }

func withoutModule(string) error { return errNotNetBSD }

func helper([]string) error { return errNotNetBSD }

func openReport() (io.Writer, error) { return os.Stdout, nil }

func system() operations {
	refuse := func(string) error { return errNotNetBSD }
	return operations{
		machine: func() (protocol.Machine, error) {
			return protocol.Machine{System: runtime.GOOS, Machine: runtime.GOARCH, CPUs: runtime.NumCPU()}, nil
		},
		load: refuse, unload: refuse,
		count:  func() (protocol.Counters, error) { return nil, errNotNetBSD },
		sysctl: func(string) (string, error) { return "", errNotNetBSD },
	}
}
