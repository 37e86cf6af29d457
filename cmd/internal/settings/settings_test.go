package settings

import (
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// say sets what lines of the form "name value" say.
func say(lines ...string) (*Settings, error) {
	s := &Settings{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, " ")
		for _, t := range Table {
			if t.Name == name {
				if err := t.Set(s, value); err != nil {
					return nil, err
				}
			}
		}
	}
	return s, nil
}

func config() *oci.Config {
	return &oci.Config{Spec: specs.Spec{
		Process: &specs.Process{Args: []string{"/entry", "-x", "cmd"}, Env: []string{"PATH=/bin", "HOME=/root"}, Cwd: "/", User: specs.User{GID: 7, AdditionalGids: []uint32{9}}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc"}},
	}}
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name string
		said []string
		cmd  []string
		want func(*oci.Config)
	}{
		{"nothing", nil, nil, func(*oci.Config) {}},
		{"command", nil, []string{"a"}, func(c *oci.Config) { c.Process.Args = []string{"/entry", "-x", "a"} }},
		{"entrypoint", []string{`entrypoint /e "a b"`}, nil, func(c *oci.Config) { c.Process.Args = []string{"/e", "a b"} }},
		{"entrypoint and command", []string{"entrypoint /e"}, []string{"a"}, func(c *oci.Config) { c.Process.Args = []string{"/e", "a"} }},
		{"env", []string{"env PATH=/x", "env A=1=2"}, nil, func(c *oci.Config) { c.Process.Env = []string{"HOME=/root", "PATH=/x", "A=1=2"} }},
		{"user", []string{"user 5"}, nil, func(c *oci.Config) {
			c.Process.User, c.Process.Env = specs.User{UID: 5, GID: 7}, []string{"PATH=/bin"}
		}},
		{"user and group", []string{"user 0:3"}, nil, func(c *oci.Config) { c.Process.User = specs.User{GID: 3} }},
		{"terminal", []string{"tty "}, nil, func(c *oci.Config) {
			c.Process.Terminal, c.Process.Env = true, append(c.Process.Env, "TERM=wsvt25")
		}},
		{"terminal with TERM", []string{"tty ", "env TERM=vt100"}, nil, func(c *oci.Config) {
			c.Process.Terminal, c.Process.Env = true, append(c.Process.Env, "TERM=vt100")
		}},
		{"volumes", []string{"volume /srv:/www:ro", "volume db:/proc/"}, nil, func(c *oci.Config) {
			c.Mounts = []specs.Mount{
				{Destination: "/www", Type: "bind", Source: "/srv", Options: []string{"bind", "ro", "nosuid", "nodev"}},
				{Destination: "/proc", Type: "bind", Source: "/data/db", Options: []string{"bind", "rw", "nosuid", "nodev"}},
			}
		}},
		{"limits", []string{"ulimit nofile=5:unlimited", "ulimit nofile=6", "pids-limit 3"}, nil, func(c *oci.Config) {
			three := uint64(3)
			c.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 6, Hard: 6}}
			c.NetBSD = &oci.NetBSD{Cell: &oci.NetBSDCell{MaxProcesses: &three}}
		}},
		{"cell", []string{"port 80", "port 81/udp", "permission sysv-ipc", "profile medium", "network addresses", "address wm0=192.0.2.1/24"}, nil, func(c *oci.Config) {
			c.NetBSD = &oci.NetBSD{Cell: &oci.NetBSDCell{
				Profile: "medium", Network: "addresses", Permissions: []string{"sysv-ipc"}, ReservedPorts: []string{"80", "81/udp"},
				Addresses: []oci.NetBSDAddress{{Interface: "wm0", Address: "192.0.2.1/24"}},
			}}
		}},
	} {
		s, err := say(c.said...)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		s.Command = c.cmd
		got, want := config(), config()
		c.want(want)
		if err := s.Apply(got, Place{Data: "/data", Term: "wsvt25", Entrypoint: 2}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v %+v\nwant\n%+v %+v", c.name, err, got.Process, got.NetBSD, want.Process, want.NetBSD)
		}
	}
}

// What an image or another tool has said in annotations is kept, in one place.
func TestAnnotationsMove(t *testing.T) {
	s, err := say("port 81", "profile low")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config()
	cfg.Annotations = map[string]string{"org.netbsd.cell.reserved-ports": "80/tcp, 81", "org.netbsd.cell.profile": "high", "other": "x"}
	if err := s.Apply(cfg, Place{}); err != nil {
		t.Fatal(err)
	}
	if got := cfg.NetBSD.Cell; !reflect.DeepEqual(got.ReservedPorts, []string{"80/tcp", "81"}) || got.Profile != "low" || len(cfg.Annotations) != 1 {
		t.Errorf("the cell is %+v, the annotations %v", got, cfg.Annotations)
	}
}

func TestRefused(t *testing.T) {
	for _, line := range []string{
		"env A", "env =1", "env A=\x00", "user root", "user -1", "workdir srv", "volume /srv", "volume /srv:www", "volume /srv:/", "volume a/b:/x",
		"volume :/x", "volume /a:/b:rx", "volume -a:/x", "ulimit nofile", "ulimit =5", "ulimit nofile=x", "ulimit nofile=1:", "pids-limit -1", "memory 5m",
		"port 80,81", "port ", "permission ", "profile ", `entrypoint "a`, "entrypoint ",
		"address wm0", "address wm0=x", "port 80:80", "network bridge", "network ", "permission mout", "permission -", "profile hihg", "ulimit nofil=3", "ulimit nofile=4:3",
	} {
		if s, err := say(line); err == nil {
			t.Errorf("%q = %+v; want an error", line, s)
		}
	}
	if _, err := say("volume /a:/x", "volume b:/x/"); err == nil {
		t.Error("two volumes at one place: no error")
	}
}

func FuzzWords(f *testing.F) {
	f.Add(`/bin/sh -c "echo a \"b\" c"`)
	f.Add(`a\ b "" c`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Words(line)
		if err != nil {
			return
		}
		again, err := Words(Join(words))
		if err != nil || !reflect.DeepEqual(again, words) && strings.ToValidUTF8(line, "") == line {
			t.Errorf("Words(%q) = %q, joined and read again %q, %v", line, words, again, err)
		}
	})
}

func FuzzSettings(f *testing.F) {
	for i, t := range Table {
		f.Add(i, t.Name)
	}
	f.Add(5, "db:/var/db:ro")
	f.Fuzz(func(t *testing.T, i int, value string) {
		s := &Settings{}
		if err := Table[uint(i)%uint(len(Table))].Set(s, value); err != nil {
			return
		}
		cfg := config()
		_ = s.Apply(cfg, Place{Data: "/data"})
		for _, m := range cfg.Mounts {
			if strings.HasPrefix(m.Source, "/data") && strings.Contains(m.Source, "..") && strings.Count(m.Source, "/") != 2 {
				t.Errorf("the data directory of %q is %s", value, m.Source)
			}
		}
	})
}
