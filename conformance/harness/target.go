package harness

// Finding out what the runtime under test is, and what it needs.

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// Target is a runtime under test.
type Target struct {
	Name    string `json:"name"`
	Path    string `json:"path"` // absolute
	Version string `json:"version"`
	// OCIVersion is what config.json says.
	OCIVersion string `json:"ociVersion"`
	// HideCgroup2 unmounts the cgroup2 of a hybrid hierarchy before the
	// runtime runs.
	HideCgroup2 bool `json:"hideCgroup2"`
	// Peer is a yardstick: the suite is checked by it.
	Peer bool `json:"peer,omitempty"`
}

// quirks are what a runtime needs beyond its command line, by the first word
// that it prints for --version.
var quirks = map[string]struct {
	ociVersion  string
	hideCgroup2 bool
}{
	// crun 1.8 refuses to work when cgroup2 is mounted beside v1 controllers.
	"crun": {hideCgroup2: true},
}

var versionLine = regexp.MustCompile(`^(\S+) version (\d+(?:\.\d+)*)?`)

// ParseTarget reads "PATH" or "PATH,NAME" and asks the runtime its version.
func ParseTarget(arg string) (Target, error) {
	path, name, _ := strings.Cut(arg, ",")
	path, err := exec.LookPath(path)
	if err != nil {
		return Target{}, fmt.Errorf("find runtime: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return Target{}, fmt.Errorf("find runtime: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), stretched(10*time.Second, slowness(load(), runtime.NumCPU())))
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return Target{}, fmt.Errorf("ask %s --version: %w", path, err)
	}
	t := Target{Name: name, Path: path, OCIVersion: "1.0.2"}
	m := versionLine.FindStringSubmatch(string(out))
	if m != nil {
		t.Version = m[2] + onSystem()
		t.HideCgroup2 = quirks[m[1]].hideCgroup2
		if v := quirks[m[1]].ociVersion; v != "" {
			t.OCIVersion = v
		}
	}
	if t.Name == "" {
		t.Name = filepath.Base(path)
	}
	return t, nil
}
