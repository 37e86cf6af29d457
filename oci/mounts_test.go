package oci

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestMounts(t *testing.T) {
	for text, want := range map[string]Mount{
		`{"destination":"/d","type":"bind","source":"/s/","options":["rbind","rro","nosuid","nodev","noexec","noatime"]}`: {
			Destination: "/d", Type: MountBind, Source: "/s/", Recursive: true, Below: MountFlags{Readonly: true},
			Flags: MountFlags{Readonly: true, NoSuid: true, NoDev: true, NoExec: true, NoAtime: true},
		},
		`{"destination":"/d","source":"data/","options":["bind","ro","rw","nosuid","suid"]}`: {
			Destination: "/d", Type: MountBind, Source: "data/",
		},
		`{"destination":"/d","source":"/s/","options":["rbind","rro","ro,strictatime"]}`: {
			Destination: "/d", Type: MountBind, Source: "/s/", Recursive: true,
			Flags: MountFlags{Readonly: true, StrictAtime: true}, Below: MountFlags{Readonly: true},
		},
		`{"destination":"/t","type":"tmpfs","options":["size=0,nr_inodes=0,mode=700"]}`: {
			Destination: "/t", Type: MountTmpfs, Tmpfs: Tmpfs{Size: new(uint64), Inodes: new(uint64), Mode: 0o700, HasMode: true},
		},
		`{"destination":"//d/./e/","type":"null","source":"/s/"}`: {Destination: "/d/e", Type: MountBind, Source: "/s/"},
		`{"destination":"/t","type":"tmpfs","options":["size=1g","nr_inodes=10","mode=0","uid=5","gid=6","tmpcopyup","defaults"]}`: {
			Destination: "/t", Type: MountTmpfs,
			Tmpfs: Tmpfs{Size: new(uint64(1 << 30)), Inodes: new(uint64(10)), HasMode: true, UID: 5, GID: 6, CopyUp: true},
		},
		`{"destination":"/p","type":"procfs","options":["relatime"]}`: {Destination: "/p", Type: MountProc, Flags: MountFlags{RelAtime: true}},
		`{"destination":"/dev/pts","type":"ptyfs","options":["gid=0","mode=0620","newinstance"]}`: {
			Destination: "/dev/pts", Type: MountDevpts, Devpts: Devpts{Mode: 0o620, HasGID: true},
		},
	} {
		p := compile(t, minimal(`"mounts":[`+text+`]`), ourModule())
		want.Field = "mounts[0]"
		if len(p.Mounts) != 1 || !reflect.DeepEqual(p.Mounts[0], want) {
			t.Errorf("%s\n got %+v\nwant %+v", text, p.Mounts, want)
		}
		if w := p.Warnings(); len(w) > 0 {
			t.Errorf("%s: unexpected warnings %v", text, w)
		}
	}
}

func TestMountRefusals(t *testing.T) {
	for text, want := range map[string]string{
		`{"destination":"tmp","type":"tmpfs"}`:                                                                        `mounts[0].destination "tmp": must be an absolute path`,
		`{"destination":"/a/../../etc","type":"tmpfs"}`:                                                               `mounts[0].destination "/a/../../etc": must not contain ".."`,
		`{"destination":"/","type":"tmpfs"}`:                                                                          `mounts[0].destination "/": the root itself`,
		`{"type":"tmpfs"}`:                                                                                            `mounts[0].destination "": must be an absolute path`,
		`{"destination":"/a"}`:                                                                                        `mounts[0].type: missing; use one of bind`,
		`{"destination":"/a","type":"ext4","source":"/dev/sda1"}`:                                                     `mounts[0].type "ext4": can't be mounted in a cell`,
		`{"destination":"/a","type":"overlay"}`:                                                                       `mounts[0].type "overlay": NetBSD has no copy-on-write mounts`,
		`{"destination":"/a","type":"bind"}`:                                                                          `mounts[0].source: missing`,
		`{"destination":"/a","type":"tmpfs","options":["fast"]}`:                                                      `mounts[0].options[0] "fast": not an option of tmpfs mounts`,
		`{"destination":"/a","type":"tmpfs","options":["ro","size=big"]}`:                                             `mounts[0].options[1] "size=big": "big" is not a size such as 65536k`,
		`{"destination":"/a","type":"tmpfs","options":["size=50%"]}`:                                                  `a share of the memory can't be given`,
		`{"destination":"/a","type":"tmpfs","options":["size=9999999999g"]}`:                                          `is not a size`,
		`{"destination":"/a","type":"tmpfs","options":["mode=999"]}`:                                                  `"999" is not a mode such as 0755`,
		`{"destination":"/a","type":"tmpfs","options":["uid=4294967295"]}`:                                            `is not a user or group id`,
		`{"destination":"/a","type":"proc","options":["size=1"]}`:                                                     `mounts[0].options[0] "size=1": not an option of proc mounts`,
		`{"destination":"/a","type":"proc","options":["tmpcopyup"]}`:                                                  `not an option of proc mounts`,
		`{"destination":"/a","type":"devpts","options":["ptmxmode=0600"]}`:                                            `/dev/ptmx always has mode 0666`,
		`{"destination":"/a","type":"devpts","options":["newinstance=1"]}`:                                            `not an option of devpts mounts`,
		`{"destination":"/a","source":"/b","options":["bind","remount"]}`:                                             `"remount": a mount can't be changed afterwards`,
		`{"destination":"/a","source":"/b","options":["bind","idmap"]}`:                                               `"idmap": NetBSD's mounts do not map ids`,
		`{"destination":"/a","source":"/b","options":["bind","nosymfollow"]}`:                                         `"nosymfollow": NetBSD's mounts follow symbolic links`,
		`{"destination":"/a","source":"/b","options":["bind"],"uidMappings":[{"containerID":0,"hostID":0,"size":1}]}`: `mounts[0].uidMappings 1 entry`,
	} {
		for kernel, f := range kernels() {
			_, err := Compile(load(t, minimal(`"mounts":[`+text+`]`)), f)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: Compile = %v; want an error with %q", kernel, text, err, want)
			}
		}
	}
}

// TestMountSkipped: what tools always ask for is left out with a warning.
func TestMountSkipped(t *testing.T) {
	for _, kind := range []string{"sysfs", "cgroup", "cgroup2", "mqueue"} {
		p := compile(t, minimal(`"mounts":[{"destination":"/x","type":"`+kind+`","options":["nosuid","strange"]}]`), ourModule())
		if n, _ := noteOn(p, "mounts[0]"); len(p.Mounts) != 0 || n.Grade != Refused || n.Fatal {
			t.Errorf("%s: mounts %v, note %+v; want it left out with a warning", kind, p.Mounts, n)
		}
	}
}

// TestBindWithOptionsOfTmpfs: Linux ignores them, so callers leave them in.
func TestBindWithOptionsOfTmpfs(t *testing.T) {
	p := compile(t, minimal(`"mounts":[{"destination":"/x","source":"/b","options":["bind","size=65536k"]}]`), ourModule())
	if n, _ := noteOn(p, "mounts[0].options[1]"); len(p.Mounts) != 1 || n.Grade != Refused || n.Fatal || !strings.Contains(n.Reason, "as it is") {
		t.Errorf("mounts %v, note %+v; want the mount and a warning", p.Mounts, n)
	}
}

// TestFileBindIsSaid: NetBSD can't mount a file on a file.
func TestFileBindIsSaid(t *testing.T) {
	text := minimal(`"mounts":[{"destination":"/etc/hosts","source":"/etc/hosts","options":["bind"]}]`)
	if n, _ := noteOn(compile(t, text, ourModule()), "mounts[0]"); n.Grade != Approximated || !strings.Contains(n.Reason, "a file is copied") {
		t.Errorf("on NetBSD: %+v; want it approximated", n)
	}
	if n, _ := noteOn(compile(t, text, emulated()), "mounts[0]"); n.Grade != Exact {
		t.Errorf("on the emulator: %+v; want it exact", n)
	}
}

// TestMountWordsAreThoseOfTheSpecification: config.md's table, less the
// footnotes, and tmpcopyup.
func TestMountWordsAreThoseOfTheSpecification(t *testing.T) {
	words := strings.Fields(`async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud mand noatime nodev
		nodiratime noexec noiversion nolazytime nomand norelatime nostrictatime nosuid nosymfollow private ratime rbind rdev rdiratime
		relatime remount rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate
		rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow
		sync tmpcopyup unbindable`)
	var got []string
	for _, w := range mountWords {
		got = append(got, w.word)
		if (w.effect == warn || w.effect == refuse) != (w.reason != "") || (w.effect == setFlag || w.effect == clearFlag) != (w.flag != nil) {
			t.Errorf("%s: effect, flag and reason do not fit", w.word)
		}
	}
	if !slices.Equal(got, words) {
		t.Errorf("words %q; want %q", got, words)
	}
}
