// Package mounts makes a container's root file system of what a snapshotter of
// containerd gives: a directory as it is, with others shown in it, or mounts on the
// bundle's rootfs.
package mounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/containerd/api/types"
	"golang.org/x/sys/unix"
)

// point is where a bundle's root file system is mounted.
func point(bundle string) string { return filepath.Join(bundle, "rootfs") }

// Make makes the root file system of a bundle. Bind or null mounts need none: the
// first one's source becomes root.path in the bundle's config.json, and those with
// targets in it come before the mounts that are there.
func Make(bundle string, list []*types.Mount) error {
	if len(list) == 0 {
		return nil // the configuration names one
	}
	if dirs, ok := directories(list); ok {
		if err := checkTargets(dirs); err != nil {
			return err
		}
		return setRoot(bundle, dirs)
	}
	target := point(bundle)
	if err := os.Mkdir(target, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make directory of root: %w", err)
	}
	for i, m := range list {
		if m.GetTarget() != "" {
			// It would be looked up below a mount that a container has written to.
			return errors.Join(fmt.Errorf("rootfs[%d].target %q: only bind mounts without other options can be in a root that is a directory", i, m.GetTarget()),
				Remove(bundle))
		}
		if err := mount(m, target); err != nil {
			return errors.Join(fmt.Errorf("mount rootfs[%d] (%s): %w", i, m.GetType(), err), Remove(bundle))
		}
	}
	return nil
}

// directory is one of the host that is to be seen in a root, or as the root.
type directory struct {
	source, target string
	readonly       bool
}

// directories are those that a list of mounts stands for, if it is of such alone.
func directories(list []*types.Mount) (dirs []directory, ok bool) {
	for _, m := range list {
		if !slices.Contains([]string{"bind", "null", "nullfs"}, m.GetType()) {
			return nil, false
		}
		d := directory{source: m.GetSource(), target: m.GetTarget()}
		for _, o := range m.GetOptions() {
			switch o {
			case "ro":
				d.readonly = true
			case "rw", "bind", "rbind", "":
			default:
				return nil, false
			}
		}
		dirs = append(dirs, d)
	}
	return dirs, len(dirs) > 0
}

// checkTargets refuses a list that is not one root with directories in it.
func checkTargets(dirs []directory) error {
	for i, d := range dirs {
		switch clean := path.Clean("/" + d.target); {
		case i == 0 && d.target != "":
			return fmt.Errorf("rootfs[0].target %q: the first mount is the root", d.target)
		case i > 0 && d.target == "":
			return fmt.Errorf("rootfs[%d].target: missing, and the root is there already; a containerd before 1.7 loses targets: start the snapshotter with --own '*'", i)
		case i > 0 && clean != "/"+d.target:
			return fmt.Errorf("rootfs[%d].target %q: want a path in the root without a leading slash and without dots", i, d.target)
		}
	}
	return nil
}

// setRoot writes root.path, root.readonly if it is to be, and mounts, and leaves
// the rest of config.json as it is.
func setRoot(bundle string, dirs []directory) error {
	name := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	if text, err = withRoot(text, dirs); err != nil {
		return err
	}
	part := name + ".new"
	if err := os.WriteFile(part, text, 0o600); err != nil {
		return fmt.Errorf("write config: %w", err)
	}
	if err := os.Rename(part, name); err != nil {
		return fmt.Errorf("write config: %w", err)
	}
	return nil
}

// object is what JSON calls one, of which few members matter.
type object map[string]json.RawMessage

// read is a member of an object, if it has it.
func (o object) read(name string, v any) error {
	if o[name] == nil {
		return nil
	}
	if err := json.Unmarshal(o[name], v); err != nil {
		return fmt.Errorf("read config: %s: %w", name, err)
	}
	return nil
}

func (o object) set(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write config: %s: %w", name, err)
	}
	o[name] = text
	return nil
}

// withRoot is a configuration with another root.
func withRoot(text []byte, dirs []directory) ([]byte, error) {
	var config, root object
	if err := json.Unmarshal(text, &config); err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if config == nil {
		config = object{}
	}
	if err := config.read("root", &root); err != nil {
		return nil, err
	}
	if root == nil {
		root = object{}
	}
	err := root.set("path", dirs[0].source)
	if dirs[0].readonly {
		root["readonly"] = json.RawMessage("true")
	}
	if err = errors.Join(err, config.set("root", root)); err != nil {
		return nil, err
	}
	if len(dirs) > 1 {
		var before []json.RawMessage
		if err := config.read("mounts", &before); err != nil {
			return nil, err
		}
		if err := config.set("mounts", append(specs(dirs[1:]), before...)); err != nil {
			return nil, err
		}
	}
	if text, err = json.Marshal(config); err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	return text, nil
}

// specs are mounts as a configuration has them.
func specs(dirs []directory) (list []json.RawMessage) {
	for _, d := range dirs {
		options := []string{"bind"}
		if d.readonly {
			options = append(options, "ro")
		}
		text, err := json.Marshal(map[string]any{"destination": "/" + d.target, "type": "bind", "source": d.source, "options": options})
		if err != nil {
			panic(err) // strings can be written
		}
		list = append(list, text)
	}
	return list
}

// Ended takes away the mounts of a container whose processes have ended, before anybody
// asks for it, as that takes the kernel a while: not if a hook is still to find them, nor
// if somebody uses them. Then Remove does.
func Ended(bundle string) error {
	if !makesRoots || hooked(bundle) {
		return nil
	}
	target := point(bundle)
	err := unmount(target, false)
	for err == nil { // there may be one below
		err = unmount(target, false)
	}
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EBUSY) {
		return nil
	}
	return fmt.Errorf("unmount %s: %w", target, err)
}

// hooked tells whether a bundle has hooks that run after the container's end.
func hooked(bundle string) bool {
	text, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	var config struct {
		Hooks struct {
			Poststop []json.RawMessage `json:"poststop"`
		} `json:"hooks"`
	}
	return err != nil || json.Unmarshal(text, &config) != nil || len(config.Hooks.Poststop) > 0
}

// busyLimit is how long the last user of a root may take to be gone.
const busyLimit = 2 * time.Second

// Remove takes away every mount on a bundle's rootfs. None is fine.
func Remove(bundle string) error {
	target := point(bundle)
	deadline := time.Now().Add(busyLimit)
	for {
		err := unmount(target, false)
		switch {
		case err == nil: // there may be one below
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		case errors.Is(err, unix.EBUSY) && time.Now().Before(deadline):
			time.Sleep(10 * time.Millisecond)
		case errors.Is(err, unix.EBUSY):
			// Whoever still looks at it keeps it; nobody finds it any more.
			if err := unmount(target, true); err != nil {
				return fmt.Errorf("unmount %s: %w", target, err)
			}
		default:
			return fmt.Errorf("unmount %s: %w", target, err)
		}
	}
}
