package process

// Finding the program to run, inside the container's root. Container tools
// turn the texts of these errors into exit statuses 126 and 127.

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/searchpath"
	"golang.org/x/sys/unix"
)

// candidates lists the paths that exec tries for name. A relative element of
// PATH would depend on the directory and is left out. Without PATH it is this
// system's.
func candidates(name string, env []string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var paths []string
	for _, dir := range strings.Split(envValue(env, "PATH", searchpath.Of(runtime.GOOS)), ":") {
		if path.IsAbs(dir) {
			paths = append(paths, dir+"/"+name) // ".." in it is the kernel's to resolve
		}
	}
	return paths
}

// notInPath is the error of exec for a name that no directory of PATH has.
func notInPath(name string) error {
	return fmt.Errorf("exec: %q: executable file not found in $PATH", name)
}

// LookExec checks that there is a program to run, so that `create` can say so.
func LookExec(root *inroot.Dir, name, cwd string, env []string) error {
	if name == "" {
		return errors.New("exec: process.args[0] is empty")
	}
	if strings.Contains(name, "/") {
		p := name
		if !path.IsAbs(p) {
			p = cwd + "/" + p // ".." behind a link leads elsewhere than the text says
		}
		if err := checkProgram(root, p, cwd); err != nil {
			return fmt.Errorf("exec: %q: %w", name, err)
		}
		return nil
	}
	denied := false
	var lost *interpreterError // of the first one that is there but for that
	for _, p := range candidates(name, env) {
		err := checkProgram(root, p, cwd)
		if err == nil {
			return nil
		}
		if lost == nil && errors.As(err, &lost) {
			continue
		}
		denied = denied || errors.Is(err, unix.EACCES)
	}
	switch {
	case lost != nil:
		return fmt.Errorf("exec: %q: %w", name, lost)
	case denied:
		return fmt.Errorf("exec: %q: %w", name, unix.EACCES)
	}
	return notInPath(name)
}

// checkProgram is checkExec for a program, and for its interpreter.
func checkProgram(root *inroot.Dir, p, cwd string) error {
	if err := checkExec(root, p); err != nil {
		return err
	}
	return checkInterpreter(root, p, cwd)
}

// checkExec refuses what exec(2) would refuse, and what is not a plain file.
func checkExec(root *inroot.Dir, p string) error {
	st, err := root.Stat(p)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return unix.EACCES
	}
	return nil
}

func envValue(env []string, key, missing string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], key+"="); ok {
			return v
		}
	}
	return missing
}
