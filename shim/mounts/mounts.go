// Package mounts makes a container's root file system of what a snapshotter of
// containerd gives: a directory as it is, or mounts on the bundle's rootfs.
package mounts

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/containerd/api/types"
	"golang.org/x/sys/unix"
)

// point is where a bundle's root file system is mounted.
func point(bundle string) string { return filepath.Join(bundle, "rootfs") }

// Make makes the root file system of a bundle. A single bind or null mount needs
// none: its source becomes root.path in the bundle's config.json.
func Make(bundle string, list []*types.Mount) error {
	if len(list) == 0 {
		return nil // the configuration names one
	}
	if source, readonly, ok := directory(list); ok {
		return setRoot(bundle, source, readonly)
	}
	target := point(bundle)
	if err := os.Mkdir(target, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make directory of root: %w", err)
	}
	for i, m := range list {
		if m.GetTarget() != "" {
			// It would be looked up below a mount that a container has written to.
			return errors.Join(fmt.Errorf("rootfs[%d].target %q: only the root itself can be mounted", i, m.GetTarget()), Remove(bundle))
		}
		if err := mount(m, target); err != nil {
			return errors.Join(fmt.Errorf("mount rootfs[%d] (%s): %w", i, m.GetType(), err), Remove(bundle))
		}
	}
	return nil
}

// directory is the one that a list of mounts stands for, if one does.
func directory(list []*types.Mount) (source string, readonly, ok bool) {
	if len(list) != 1 || list[0].GetTarget() != "" {
		return "", false, false
	}
	m := list[0]
	if !slices.Contains([]string{"bind", "null", "nullfs"}, m.GetType()) {
		return "", false, false
	}
	for _, o := range m.GetOptions() {
		switch o {
		case "ro":
			readonly = true
		case "rw", "bind", "rbind", "":
		default:
			return "", false, false
		}
	}
	return m.GetSource(), readonly, true
}

// setRoot writes root.path, and root.readonly if it is to be, and leaves the rest
// of config.json as it is.
func setRoot(bundle, path string, readonly bool) error {
	name := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	var config, root map[string]json.RawMessage
	if err := json.Unmarshal(text, &config); err != nil {
		return fmt.Errorf("read config: %w", err)
	}
	if old := config["root"]; old != nil {
		if err := json.Unmarshal(old, &root); err != nil {
			return fmt.Errorf("read config: root: %w", err)
		}
	}
	if root == nil {
		root = map[string]json.RawMessage{}
	}
	if root["path"], err = json.Marshal(path); err != nil {
		return fmt.Errorf("write config: root.path: %w", err)
	}
	if readonly {
		root["readonly"] = json.RawMessage("true")
	}
	if config["root"], err = json.Marshal(root); err == nil {
		text, err = json.Marshal(config)
	}
	if err != nil {
		return fmt.Errorf("write config: %w", err)
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
