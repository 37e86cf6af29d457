package oci

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
)

// FuzzCompile: whatever Load accepts, Compile and the explanation survive,
// on every kernel, and the Plan can be stored.
func FuzzCompile(f *testing.F) {
	for _, file := range []string{"testdata/real/runc-spec.json", "testdata/everything.json"} {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		// Small inputs mutate better.
		var small bytes.Buffer
		if err := json.Compact(&small, data); err != nil {
			f.Fatal(err)
		}
		f.Add(small.Bytes())
	}
	f.Add([]byte(minimal(`"netbsd":{"cell":{"permissions":["time","-chown"],"reservedPorts":["[::1]:80/tcp"],"network":"none"},"devices":[{"path":"x"}]}`)))
	f.Add([]byte(minimal(`"linux":{"namespaces":[{"type":"network","path":"/n"},{"type":"ipc"}],"devices":[{"path":"/dev/x","type":"b","major":1}]}`)))
	all := []kmod.Features{ourModule(), emulated(), published()}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Load(bytes.NewReader(data))
		if err != nil {
			return
		}
		features := all[len(data)%len(all)]
		p, err := Compile(cfg, features)
		if (err != nil) != (fatalError(p.Notes) != nil) {
			t.Fatalf("error %v does not agree with the notes", err)
		}
		if err := WriteExplanation(io.Discard, p, features, true); err != nil {
			t.Fatal(err)
		}
		if err == nil {
			roundTrip(t, p)
		}
	})
}

// FuzzLoad: no panic, and what is loaded can be written and loaded again.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(minimal("")))
	f.Add([]byte(`{"a":[1,2e3,"\u00e9",null,true]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Load(bytes.NewReader(data))
		if err != nil {
			return
		}
		text, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(bytes.NewReader(text)); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	})
}

func FuzzPort(f *testing.F) {
	for _, s := range []string{"80", "192.0.2.1:80/tcp", "[2001:db8::1]:53/udp", "[::]:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePort(s)
		if err != nil {
			return
		}
		if again, err := ParsePort(PortString(p)); err != nil || again != p || p.Port == 0 {
			t.Fatalf("ParsePort(%q) = %+v; written as %q it reads %+v, %v", s, p, PortString(p), again, err)
		}
	})
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"wm0=192.0.2.10/24", "lo0=::1/128"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddressPair(s)
		if err != nil {
			return
		}
		if again, err := ParseAddressPair(a.String()); err != nil || again != a {
			t.Fatalf("ParseAddressPair(%q) = %s; that reads %+v, %v", s, a, again, err)
		}
	})
}

func FuzzMountOptions(f *testing.F) {
	for _, s := range []string{"bind,ro,nosuid", "size=64m,mode=1777,uid=1", "gid=5,mode=0620,ptmxmode=0666", "rro,rw"} {
		f.Add("tmpfs", s)
		f.Add("devpts", s)
		f.Add("bind", s)
	}
	f.Fuzz(func(t *testing.T, kind, options string) {
		c := newCompiler(ourModule())
		m := &Mount{Field: "mounts[0]", Type: MountType(kind)}
		c.options(m, strings.Split(options, ","))
		if c.err() == nil && (m.Tmpfs.Mode > 0o7777 || m.Devpts.Mode > 0o7777 || m.Tmpfs.Size != nil && *m.Tmpfs.Size > 1<<63) {
			t.Fatalf("%q gave %+v", options, m)
		}
	})
}
