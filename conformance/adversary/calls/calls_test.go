package calls

import (
	"slices"
	"strings"
	"testing"
)

var systems = []string{"netbsd", "linux_amd64", "linux_386"}

// names are what the adversary puts into every world.
var names = []string{
	Target, "file", "dir", "null", "sock", "tcp", "local", "pipe", "inet6", "route", "kq", "ptm", "pty", "pts",
	"shm666", "shm600", "sem666", "sem600", "msg666", "msg600", "handle", "handlesize",
}

func world() World {
	w := World{}
	for i, name := range names {
		w[name] = int64(1000 + i)
	}
	return w
}

// TestEveryNumber: each number of a kernel's table is tried, at the machine
// and at every process, and all arguments can be made.
func TestEveryNumber(t *testing.T) {
	for _, system := range systems {
		list, err := Table(system)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) != Numbers {
			t.Errorf("%s has %d calls; want %d", system, len(list), Numbers)
		}
		seen := map[string]bool{}
		for n, c := range list {
			if c.Number != uintptr(n) || c.Name == "" || seen[c.Name] {
				t.Errorf("%s: call %d is %d, %q: each number once, with a name of its own", system, n, c.Number, c.Name)
			}
			seen[c.Name] = true
			at := map[string]int{}
			m := &Memory{Bytes: make([]byte, 1024), Base: 0x1000, Zeros: 0x9000}
			for _, v := range c.Vectors {
				at[v.Target]++
				m.Reset()
				for i := range v.Args {
					if _, err := v.Args[i].Value(world(), m); err != nil {
						t.Errorf("%s: %s: %v", system, c.Name, err)
					}
				}
			}
			if at[Machine] < 5 || at[Process] < 5 && !slices.Contains(otherNumbers, c.Name) {
				t.Errorf("%s: %s has vectors %v; want 5 at least at nobody and at a process", system, c.Name, at)
			}
		}
	}
}

// TestSharp: the calls that other processes are reached by have vectors of
// their own.
func TestSharp(t *testing.T) {
	for system, sharp := range map[string]string{
		"netbsd": "kill ptrace setpriority _sched_setparam _sched_setaffinity ktrace fktrace sigqueueinfo setpgid __wait450 wait6 fcntl ioctl " +
			"__kevent100 _pset_bind __sysctl __clock_gettime50 timer_create shmat semop msgrcv mq_open _ksem_open __fhopen40 __settimeofday50 __mount50 reboot modctl",
		"linux_amd64": "kill tkill tgkill rt_queueinfo ptrace sched_setparam prlimit64 fcntl",
	} {
		list, err := Table(system)
		if err != nil {
			t.Fatal(err)
		}
		general := len(list[Numbers-1].Vectors)
		for _, name := range strings.Fields(sharp) {
			n := 0
			for _, c := range list {
				if c.Name == name {
					n = len(c.Vectors)
				}
			}
			if n <= general {
				t.Errorf("%s: %s has no vectors of its own", system, name)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	m := &Memory{Bytes: make([]byte, 256), Base: 0x1000, Zeros: 0x9000}
	w := World{Target: 77, "sock": 104}
	for word, want := range map[string]uintptr{
		"7": 7, "-1": ^uintptr(0), "0x40": 0x40, "@": 77, "-@": ^uintptr(76), "@+0x100": 333, "$sock": 104, "zeros": 0x9000,
		`"text"`: 0x1000, "[1/4,@/8]": 0x1000,
	} {
		m.Reset()
		a, err := ParseArg(word)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.Value(w, m); err != nil || got != want {
			t.Errorf("argument %s = %#x, %v; want %#x", word, got, err, want)
		}
	}
	m.Reset()
	a, _ := ParseArg("[1/2,@/1,-1/4]")
	if _, err := a.Value(w, m); err != nil || string(m.Bytes[3:7]) != "\xff\xff\xff\xff" || m.Bytes[2] != 77 {
		t.Errorf("laid out % x, %v", m.Bytes[:8], err)
	}
	for _, word := range []string{"", "x", "$", "[]", "[1]x", "[1/3]", "@@", "@+x", "[a/4]"} {
		if a, err := ParseArg(word); err == nil {
			t.Errorf("ParseArg(%q) = %+v; want an error", word, a)
		}
	}
	for _, word := range []string{"$none", `"` + strings.Repeat("x", 300) + `"`} {
		a, err := ParseArg(word)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Value(w, m); err == nil {
			t.Errorf("value of %.10s: want an error", word)
		}
	}
}

// TestInit: a negative process that is 1 means all processes, and is not tried
// as a group.
func TestInit(t *testing.T) {
	group, err := parseVector([]string{Process, "-@", "9"})
	if err != nil || group.At(Init) || !group.At("victim") {
		t.Errorf("vector of a group: %v, at init %v, at victim %v; want not at init", err, group.At(Init), group.At("victim"))
	}
}

func TestIoctls(t *testing.T) {
	for _, port := range []string{"amd64", "386"} {
		names, err := Ioctls(port)
		if err != nil || len(names) < 100 {
			t.Fatalf("Ioctls(%s) = %d names, %v; want 100 at least", port, len(names), err)
		}
		groups := map[uint32][]uint32{}
		for c, name := range names {
			group := c >> groupShift & 0xff
			if groups[group] == nil {
				groups[group] = Group(group, names)
			}
			if codes := groups[group]; !slices.Contains(codes, c) || len(codes) < Groups {
				t.Errorf("%s: %s is not among the %d requests of its group", port, name, len(codes))
			}
		}
		codes := slices.Clone(groups['t'])
		slices.Sort(codes)
		if n := len(codes); len(slices.Compact(codes)) != n {
			t.Errorf("%s: the group of terminals has requests twice", port)
		}
	}
}

func FuzzArgument(f *testing.F) {
	for _, s := range []string{"7", "-@", "@+0x40000000", `"a_b"`, "[1/4,@/p]", "$sock", "zeros"} {
		f.Add(s)
	}
	f.Fuzz(func(_ *testing.T, s string) {
		if a, err := ParseArg(s); err == nil {
			m := &Memory{Bytes: make([]byte, 64), Base: 0x1000}
			_, _ = a.Value(world(), m)
		}
	})
}
