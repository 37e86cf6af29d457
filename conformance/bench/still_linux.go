package main

// What processes hold, as proc(5) tells it.

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// holding is what processes hold of the machine.
type holding struct {
	processes, threads, descriptors int
	rss, pss                        float64         // MiB
	namespaces, mounts, cgroups     map[string]bool // but for those that the bench has too
}

// processesOf lists the processes that have the mark in their command line or
// in their environment.
func processesOf(mark string) map[int]bool {
	found := map[int]bool{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		for _, file := range []string{"cmdline", "environ"} {
			b, _ := os.ReadFile(filepath.Join(dir, file)) // it may have ended
			if bytes.Contains(b, []byte(mark)) && pid != os.Getpid() {
				found[pid] = true
			}
		}
	}
	return found
}

// add counts a process.
func (h *holding) add(pid int) error {
	dir := fmt.Sprintf("/proc/%d", pid)
	rollup, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return err
	}
	threads, err := os.ReadDir(filepath.Join(dir, "task"))
	if err != nil {
		return err
	}
	descriptors, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		return err
	}
	h.processes++
	h.threads += len(threads)
	h.descriptors += len(descriptors)
	h.rss += mebibytesOf(rollup, "Rss:")
	h.pss += mebibytesOf(rollup, "Pss:")
	return nil
}

func mebibytesOf(rollup []byte, field string) float64 {
	_, after, _ := strings.Cut(string(rollup), "\n"+field)
	var kib float64
	_, _ = fmt.Sscan(after, &kib)
	return kib / 1024
}

// scene is what the bench's own processes have: what others have beside it is theirs.
type scene struct {
	namespaces map[string]bool
	cgroups    map[string]bool
}

// sceneOf looks at what a command that is started so has.
func sceneOf(l launcher) (scene, error) {
	_, text, err := capture(l, "/bin/busybox", "sh", "-c", "for f in /proc/self/ns/*; do /bin/busybox readlink $f; done; /bin/busybox cat /proc/self/cgroup")
	s := scene{map[string]bool{}, map[string]bool{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, ":[") {
			s.namespaces[line] = true
		} else {
			s.cgroups[line] = true
		}
	}
	return s, err
}

// objects notes a process's namespaces, control groups, and the mounts of its own mount
// namespace, where the scene has no such.
func (h *holding) objects(s scene, pid int) error {
	dir := fmt.Sprintf("/proc/%d", pid)
	links, err := filepath.Glob(filepath.Join(dir, "ns/*"))
	if err != nil {
		return err
	}
	for _, link := range links {
		name, err := os.Readlink(link)
		if err != nil {
			return err
		}
		if s.namespaces[name] || h.namespaces[name] {
			continue
		}
		h.namespaces[name] = true
		if filepath.Base(link) != "mnt" {
			continue
		}
		table, err := os.ReadFile(filepath.Join(dir, "mountinfo"))
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(table)) {
			id, _, _ := strings.Cut(line, " ")
			h.mounts[id] = true
		}
	}
	groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	for line := range strings.Lines(string(groups)) {
		if line = strings.TrimSpace(line); !s.cgroups[line] {
			h.cgroups[line] = true
		}
	}
	return err
}

// disk is what the files below directories take, in KiB, but for mounted file systems.
func disk(dirs ...string) (kib float64, err error) {
	seen := map[uint64]bool{}
	for _, dir := range dirs {
		top, err := os.Stat(dir)
		if err != nil {
			return 0, err
		}
		device := top.Sys().(*syscall.Stat_t).Dev
		err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			st := info.Sys().(*syscall.Stat_t)
			if st.Dev != device {
				return fs.SkipDir
			}
			if !seen[st.Ino] {
				seen[st.Ino] = true
				kib += float64(st.Blocks) / 2
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return kib, nil
}
