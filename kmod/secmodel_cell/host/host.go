// Package host compiles parts of the kernel module for this machine, where
// tests and the bench can run them. The module itself does not use it.
package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Compiler is the C compiler that is used.
const Compiler = "/usr/bin/cc"

// strict are the flags of every compilation.
var strict = []string{"-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wshadow", "-Wmissing-prototypes"}

// Compile makes the program out of host/prog/SOURCE, the module's decision core
// and its table, against a release of our making. module is the directory of
// the module's sources. The flags come before ours.
func Compile(module, source, out string, release Release, flags ...string) error {
	if _, err := os.Lstat(Compiler); err != nil {
		return fmt.Errorf("compile %s: no C compiler at %s (on Debian: apt-get install gcc libc6-dev)", source, Compiler)
	}
	headers, err := os.MkdirTemp("", "runcell-kauth-")
	if err != nil {
		return fmt.Errorf("compile %s: %w", source, err)
	}
	defer func() { _ = os.RemoveAll(headers) }()
	if err := release.write(headers); err != nil {
		return fmt.Errorf("compile %s: %w", source, err)
	}
	args := append([]string{Compiler}, flags...)
	args = append(args, strict...)
	args = append(args, "-I"+headers, "-I"+module, "-o", out, filepath.Join(module, "host", "prog", source),
		filepath.Join(module, "cell_core.c"), filepath.Join(module, "cell_rows.c"))
	c := &exec.Cmd{Path: Compiler, Args: args, Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TMPDIR=" + os.TempDir()}}
	text, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile %s: %w:\n%s", source, err, text)
	}
	return nil
}
