package harness

// Building bundles: a rootfs that holds nothing but the probe and empty
// directories, and a config.json that a case changes.

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Mod changes a config before it is written.
type Mod = func(*specs.Spec)

// ProbePath is where the probe is inside every container.
const ProbePath = "/bin/probe"

// Bundle is a bundle directory.
type Bundle struct {
	t     *T
	Dir   string
	Spec  *specs.Spec
	known map[string]bool // entries that belong in Dir
}

// Bundle makes a bundle whose process is the probe, changed by mods.
func (t *T) Bundle(mods ...Mod) *Bundle {
	t.mu.Lock()
	name := fmt.Sprintf("bundle%d", len(t.bundles))
	b := &Bundle{t: t, known: map[string]bool{"config.json": true, "rootfs": true}}
	t.bundles = append(t.bundles, b)
	t.mu.Unlock()

	b.Dir = t.MkdirAll(name)
	for _, dir := range []string{"bin", "dev", "proc", "sys", "tmp", "etc", "log"} {
		t.MkdirAll(name, "rootfs", dir)
	}
	t.Must("chmod tmp", os.Chmod(b.RootFS("tmp"), 0o777|os.ModeSticky))
	t.Must("install probe", install(t.probe, b.RootFS(ProbePath)))
	b.Spec = t.baseSpec()
	for _, mod := range mods {
		mod(b.Spec)
	}
	b.Write()
	return b
}

// baseSpec is the config that a container tool would write, at its smallest.
func (t *T) baseSpec() *specs.Spec {
	s := &specs.Spec{
		Version: t.Target.OCIVersion,
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Args: []string{ProbePath, "facts"},
			Env:  []string{"PATH=/bin", "CONFORMANCE=" + t.Token},
			Cwd:  "/",
		},
	}
	systemSpec(s)
	return s
}

// install links a program into a rootfs, or copies it across filesystems.
func install(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open program: %w", err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("make program: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy program: %w", err)
	}
	return out.Close()
}

// Write writes the bundle's Spec as config.json.
func (b *Bundle) Write() {
	data, err := json.MarshalIndent(b.Spec, "", "\t")
	b.t.Must("encode config", err)
	b.WriteRaw(string(data))
}

// WriteRaw writes any text as config.json.
func (b *Bundle) WriteRaw(text string) {
	b.t.Must("write config", os.WriteFile(b.File("config.json"), []byte(text), 0o644))
}

// Edit changes the config as plain JSON, for what the Go types can't say.
func (b *Bundle) Edit(change func(config map[string]any)) {
	var config map[string]any
	b.t.Must("decode config", json.Unmarshal([]byte(b.t.ReadFile(b.File("config.json"))), &config))
	change(config)
	data, err := json.MarshalIndent(config, "", "\t")
	b.t.Must("encode config", err)
	b.WriteRaw(string(data))
}

// File gives the path of an entry of the bundle that the case wants there;
// any other entry is a leftover.
func (b *Bundle) File(name string) string {
	b.known[name] = true
	return filepath.Join(b.Dir, name)
}

// RootFS gives a host path inside the root filesystem.
func (b *Bundle) RootFS(elem ...string) string {
	return filepath.Join(append([]string{b.Dir, "rootfs"}, elem...)...)
}
