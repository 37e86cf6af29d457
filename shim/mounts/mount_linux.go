package mounts

// Linux: overlay and bind mounts.

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/containerd/containerd/api/types"
	"github.com/netbsd-cells/runcell/shim"
	"golang.org/x/sys/unix"
)

// makesRoots tells whether what is mounted on a bundle's rootfs is ours.
const makesRoots = true

// flag is what an option of mount(8) sets or clears.
type flag struct {
	bits  uintptr
	clear bool
}

var flags = map[string]flag{
	"ro": {bits: unix.MS_RDONLY}, "rw": {bits: unix.MS_RDONLY, clear: true},
	"nosuid": {bits: unix.MS_NOSUID}, "suid": {bits: unix.MS_NOSUID, clear: true},
	"nodev": {bits: unix.MS_NODEV}, "dev": {bits: unix.MS_NODEV, clear: true},
	"noexec": {bits: unix.MS_NOEXEC}, "exec": {bits: unix.MS_NOEXEC, clear: true},
	"sync": {bits: unix.MS_SYNCHRONOUS}, "async": {bits: unix.MS_SYNCHRONOUS, clear: true},
	"noatime": {bits: unix.MS_NOATIME}, "atime": {bits: unix.MS_NOATIME, clear: true},
	"nodiratime": {bits: unix.MS_NODIRATIME}, "diratime": {bits: unix.MS_NODIRATIME, clear: true},
	"relatime": {bits: unix.MS_RELATIME}, "strictatime": {bits: unix.MS_STRICTATIME},
	"bind": {bits: unix.MS_BIND}, "rbind": {bits: unix.MS_BIND | unix.MS_REC},
	"defaults": {},
}

// options divides a mount's options into flags and what the file system reads.
func options(list []string) (bits uintptr, data []string) {
	for _, o := range list {
		f, known := flags[o]
		switch {
		case !known:
			data = append(data, o)
		case f.clear:
			bits &^= f.bits
		default:
			bits |= f.bits
		}
	}
	return bits, data
}

func mount(m *types.Mount, target string) error {
	bits, data := options(m.GetOptions())
	if m.GetType() == "bind" {
		bits |= unix.MS_BIND
	}
	text, dir := strings.Join(data, ","), ""
	if len(text) >= os.Getpagesize() {
		dir, data = relative(data)
		text = strings.Join(data, ",")
	}
	if len(text) >= os.Getpagesize() {
		return fmt.Errorf("its options take %d bytes: the kernel reads fewer than %d", len(text), os.Getpagesize())
	}
	if err := mountFrom(dir, m.GetSource(), target, m.GetType(), bits, text); err != nil {
		return err
	}
	const changed = unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC
	if bits&unix.MS_BIND != 0 && bits&changed != 0 { // the first call heeds none of these
		return unix.Mount("", target, "", bits|unix.MS_REMOUNT, "")
	}
	return nil
}

// relative gives lower directories by their names in a directory that they have
// in common: an image of many layers has more than a page of them.
func relative(data []string) (dir string, short []string) {
	short = slices.Clone(data)
	for i, o := range data {
		list, ok := strings.CutPrefix(o, "lowerdir=")
		if !ok {
			continue
		}
		lower := strings.Split(list, ":")
		dir = filepath.Dir(lower[0])
		for _, l := range lower {
			for dir != "/" && !strings.HasPrefix(l, dir+"/") {
				dir = filepath.Dir(dir)
			}
		}
		for j, l := range lower {
			name, err := filepath.Rel(dir, l)
			if err != nil {
				return "", data
			}
			lower[j] = name
		}
		short[i] = "lowerdir=" + strings.Join(lower, ":")
	}
	return dir, short
}

// mountFrom is mount(2) in a directory; empty: in any. The working directory is
// that of a thread of its own.
func mountFrom(dir, source, target, fstype string, bits uintptr, data string) error {
	if dir == "" {
		return unix.Mount(source, target, fstype, bits, data)
	}
	done := make(chan error)
	shim.Go("mount "+target, func() {
		err := errors.New("a fault in the shim")
		defer func() { done <- err }()
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		err = unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Chdir(dir)
		}
		if err == nil {
			err = unix.Mount(source, target, fstype, bits, data)
		}
	})
	return <-done
}

func unmount(target string, detach bool) error {
	how := unix.UMOUNT_NOFOLLOW
	if detach {
		how |= unix.MNT_DETACH
	}
	for {
		if err := unix.Unmount(target, how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
