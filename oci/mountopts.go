package oci

// Mount options: a table of words, a table of NAME=value, and the loop.

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// flagOf selects one of a mount's flags.
type flagOf func(*MountFlags) *bool

func readonly(f *MountFlags) *bool { return &f.Readonly }
func nosuid(f *MountFlags) *bool   { return &f.NoSuid }
func nodev(f *MountFlags) *bool    { return &f.NoDev }
func noexec(f *MountFlags) *bool   { return &f.NoExec }
func noatime(f *MountFlags) *bool  { return &f.NoAtime }
func relatime(f *MountFlags) *bool { return &f.RelAtime }
func strict(f *MountFlags) *bool   { return &f.StrictAtime }

// effect is what a word does.
type effect uint8

const (
	nothing   effect = iota // says what is so anyway
	setFlag                 // sets flag
	clearFlag               // clears flag
	bindOne                 // bind
	bindAll                 // rbind
	copyUp                  // tmpcopyup
	warn                    // not honoured: a warning with reason
	refuse                  // not honoured: fatal, with reason
)

const (
	noIDMap     = "NetBSD's mounts do not map ids; remove the option"
	noPropagate = "mounts made later are not passed on between host and container"
	asSource    = "a bind mount shows its source as it is; the option is a tmpfs's"
)

// mountWords holds the words of the specification's table "Linux mount
// options", sorted. Those of below mean the mounts below the source too.
var mountWords = [...]struct {
	word   string
	effect effect
	flag   flagOf
	below  bool
	reason string
}{
	{word: "async"},
	{word: "atime", effect: clearFlag, flag: noatime},
	{word: "bind", effect: bindOne},
	{word: "defaults"},
	{word: "dev", effect: clearFlag, flag: nodev},
	{word: "diratime"},
	{word: "dirsync", effect: warn, reason: "directory writes are not made synchronous"},
	{word: "exec", effect: clearFlag, flag: noexec},
	{word: "idmap", effect: refuse, reason: noIDMap},
	{word: "iversion", effect: warn, reason: "Linux's; not set"},
	{word: "lazytime", effect: warn, reason: "Linux's; not set"},
	{word: "loud"},
	{word: "mand", effect: warn, reason: "NetBSD has no mandatory locks"},
	{word: "noatime", effect: setFlag, flag: noatime},
	{word: "nodev", effect: setFlag, flag: nodev},
	{word: "nodiratime", effect: warn, reason: "NetBSD can't treat directories apart; use noatime"},
	{word: "noexec", effect: setFlag, flag: noexec},
	{word: "noiversion"},
	{word: "nolazytime"},
	{word: "nomand"},
	{word: "norelatime", effect: clearFlag, flag: relatime},
	{word: "nostrictatime", effect: clearFlag, flag: strict},
	{word: "nosuid", effect: setFlag, flag: nosuid},
	{word: "nosymfollow", effect: refuse, reason: "NetBSD's mounts follow symbolic links; remove the option"},
	{word: "private"},
	{word: "ratime", effect: clearFlag, flag: noatime, below: true},
	{word: "rbind", effect: bindAll},
	{word: "rdev", effect: clearFlag, flag: nodev, below: true},
	{word: "rdiratime"},
	{word: "relatime", effect: setFlag, flag: relatime},
	{word: "remount", effect: refuse, reason: "a mount can't be changed afterwards; give the options to the first mount"},
	{word: "rexec", effect: clearFlag, flag: noexec, below: true},
	{word: "ridmap", effect: refuse, reason: noIDMap},
	{word: "rnoatime", effect: setFlag, flag: noatime, below: true},
	{word: "rnodev", effect: setFlag, flag: nodev, below: true},
	{word: "rnodiratime", effect: warn, reason: "NetBSD can't treat directories apart; use noatime"},
	{word: "rnoexec", effect: setFlag, flag: noexec, below: true},
	{word: "rnorelatime", effect: clearFlag, flag: relatime, below: true},
	{word: "rnostrictatime", effect: clearFlag, flag: strict, below: true},
	{word: "rnosuid", effect: setFlag, flag: nosuid, below: true},
	{word: "rnosymfollow", effect: refuse, reason: "NetBSD's mounts follow symbolic links; remove the option"},
	{word: "ro", effect: setFlag, flag: readonly},
	{word: "rprivate"},
	{word: "rrelatime", effect: setFlag, flag: relatime, below: true},
	{word: "rro", effect: setFlag, flag: readonly, below: true},
	{word: "rrw", effect: clearFlag, flag: readonly, below: true},
	{word: "rshared", effect: warn, reason: noPropagate},
	{word: "rslave", effect: warn, reason: noPropagate},
	{word: "rstrictatime", effect: setFlag, flag: strict, below: true},
	{word: "rsuid", effect: clearFlag, flag: nosuid, below: true},
	{word: "rsymfollow"},
	{word: "runbindable"},
	{word: "rw", effect: clearFlag, flag: readonly},
	{word: "shared", effect: warn, reason: noPropagate},
	{word: "silent"},
	{word: "slave", effect: warn, reason: noPropagate},
	{word: "strictatime", effect: setFlag, flag: strict},
	{word: "suid", effect: clearFlag, flag: nosuid},
	{word: "symfollow"},
	{word: "sync", effect: warn, reason: "writes are not made synchronous"},
	{word: "tmpcopyup", effect: copyUp},
	{word: "unbindable"},
}

// mountValues holds the options NAME=value of a type. One with a reason is a warning.
var mountValues = [...]struct {
	kind   MountType
	name   string
	parse  func(*Mount, string) error
	reason string
}{
	{kind: MountTmpfs, name: "size", parse: tmpfsSize},
	{kind: MountTmpfs, name: "nr_inodes", parse: tmpfsInodes},
	{kind: MountTmpfs, name: "mode", parse: tmpfsMode},
	{kind: MountTmpfs, name: "uid", parse: tmpfsUID},
	{kind: MountTmpfs, name: "gid", parse: tmpfsGID},
	{kind: MountTmpfs, name: "huge", reason: "NetBSD's tmpfs has no huge pages"},
	{kind: MountTmpfs, name: "mpol", reason: "NetBSD has no memory policies"},
	{kind: MountBind, name: "size", reason: asSource},
	{kind: MountBind, name: "nr_inodes", reason: asSource},
	{kind: MountBind, name: "mode", reason: asSource},
	{kind: MountBind, name: "uid", reason: asSource},
	{kind: MountBind, name: "gid", reason: asSource},
	{kind: MountDevpts, name: "mode", parse: devptsMode},
	{kind: MountDevpts, name: "gid", parse: devptsGID},
	{kind: MountDevpts, name: "newinstance"},
	{kind: MountDevpts, name: "ptmxmode", parse: ptmxMode},
	{kind: MountDevpts, name: "max", reason: "the number of pseudo-terminals is the host's to limit"},
	{kind: MountProc, name: "hidepid", reason: "a cell sees its own processes only; among them users see each other's"},
	{kind: MountProc, name: "subset", reason: "procfs is mounted whole"},
}

func hasOption(options []string, word string) bool {
	return slices.Contains(strings.Split(strings.Join(options, ","), ","), word)
}

// options applies every option in order; a later one overrides an earlier. A
// string may hold several, as mount(8) takes them; no value has a comma.
func (c *compiler) options(m *Mount, options []string) {
	for i, list := range options {
		for o := range strings.SplitSeq(list, ",") {
			if !c.wordOption(m, i, o) && !c.valueOption(m, i, o) {
				c.invalid(m.optionField(i), quote(o), fmt.Sprintf("not an option of %s mounts; remove it", m.Type))
			}
		}
	}
}

func (m *Mount) optionField(i int) string { return m.Field + ".options[" + strconv.Itoa(i) + "]" }

func (c *compiler) wordOption(m *Mount, i int, option string) bool {
	for n := range mountWords {
		w := &mountWords[n]
		if w.word != option {
			continue
		}
		switch w.effect {
		case nothing, bindOne:
		case setFlag, clearFlag:
			*w.flag(&m.Flags) = w.effect == setFlag
			if w.below {
				*w.flag(&m.Below) = w.effect == setFlag
			}
		case bindAll:
			m.Recursive = true
		case copyUp:
			if m.Type != MountTmpfs {
				return false
			}
			m.Tmpfs.CopyUp = true
		case warn:
			c.refused(m.optionField(i), quote(option), w.reason)
		case refuse:
			c.fatal(m.optionField(i), quote(option), w.reason)
		}
		return true
	}
	return false
}

func (c *compiler) valueOption(m *Mount, i int, option string) bool {
	name, value, _ := strings.Cut(option, "=")
	for _, v := range mountValues {
		if v.kind != m.Type || v.name != name {
			continue
		}
		switch {
		case v.reason != "":
			c.refused(m.optionField(i), quote(option), v.reason)
		case v.parse != nil:
			if err := v.parse(m, value); err != nil {
				c.invalid(m.optionField(i), quote(option), err.Error())
			}
		case option != name:
			return false // a word with a value that it does not take
		}
		return true
	}
	return false
}

func tmpfsSize(m *Mount, s string) (err error) {
	if strings.HasSuffix(s, "%") {
		return fmt.Errorf("a share of the memory can't be given; use bytes, or k, m, g")
	}
	m.Tmpfs.Size, err = limit(s)
	return err
}

func tmpfsInodes(m *Mount, s string) (err error) {
	m.Tmpfs.Inodes, err = limit(s)
	return err
}

func limit(s string) (*uint64, error) {
	n, err := parseSize(s)
	return &n, err
}

func tmpfsMode(m *Mount, s string) (err error) {
	m.Tmpfs.Mode, err = parseMode(s)
	m.Tmpfs.HasMode = true
	return err
}

func tmpfsUID(m *Mount, s string) (err error) {
	m.Tmpfs.UID, err = parseID(s)
	return err
}

func tmpfsGID(m *Mount, s string) (err error) {
	m.Tmpfs.GID, err = parseID(s)
	return err
}

func devptsMode(m *Mount, s string) (err error) {
	m.Devpts.Mode, err = parseMode(s)
	return err
}

func devptsGID(m *Mount, s string) (err error) {
	m.Devpts.GID, err = parseID(s)
	m.Devpts.HasGID = true
	return err
}

// ptmxMode: /dev/ptmx has the mode that everyone asks for, 0666.
func ptmxMode(_ *Mount, s string) error {
	mode, err := parseMode(s)
	if err == nil && mode != 0o666 {
		return fmt.Errorf("/dev/ptmx always has mode 0666; use ptmxmode=0666")
	}
	return err
}

// parseSize reads a number with an optional k, m or g (times 1024 each), as
// Linux's tmpfs(5) and NetBSD's mount_tmpfs(8) do.
func parseSize(s string) (uint64, error) {
	digits, shift := s, 0
	if s != "" {
		if i := strings.IndexByte("kmg", s[len(s)-1]|0x20); i >= 0 {
			digits, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	// Kernels keep sizes in signed 64 bits.
	if err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is not a size such as 65536k", s)
	}
	return n << shift, nil
}

func parseMode(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o7777 {
		return 0, fmt.Errorf("%q is not a mode such as 0755", s)
	}
	return uint32(n), nil
}

func parseID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || uint32(n) == noID {
		return 0, fmt.Errorf("%q is not a user or group id", s)
	}
	return uint32(n), nil
}
