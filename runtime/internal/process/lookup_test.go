package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/inroot"
)

func TestLookExec(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(
		os.MkdirAll(dir+"/bin/dir", 0o755),
		os.WriteFile(dir+"/bin/prog", nil, 0o755),
		os.WriteFile(dir+"/bin/data", nil, 0o644),
		os.Symlink("/bin", dir+"/usr"),
		os.Symlink("/bin/prog", dir+"/abs"),
		os.MkdirAll(dir+"/real/cwd", 0o755),
		os.WriteFile(dir+"/real/beside", nil, 0o755),
		os.Symlink("/real/cwd", dir+"/cwd"),
		os.WriteFile(dir+"/script", []byte("#! /bin/prog -x\n"), 0o755),
		os.WriteFile(dir+"/relative", []byte("#!prog\n"), 0o755),
		os.WriteFile(dir+"/lost", []byte("#!/no/such\n"), 0o755),
		os.WriteFile(dir+"/self", []byte("#!/proc/self/exe\n"), 0o755),
		os.WriteFile(dir+"/odd", []byte("#!"), 0o755),
		os.WriteFile(dir+"/bin/lost", []byte("#!/no/such\n"), 0o755),
		os.WriteFile(dir+"/shared", program(true, "/libexec/ld.so"), 0o755),
		os.WriteFile(dir+"/found", program(true, "/bin/prog"), 0o755),
		os.WriteFile(dir+"/nodir", program(true, "/bin/prog/ld.so"), 0o755),
		os.WriteFile(dir+"/besides", program(true, "ld.so"), 0o755),
		os.WriteFile(dir+"/foreign", foreign(program(true, "/libexec/ld.so")), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	root, err := inroot.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	env := []string{"PATH=relative:/none:/usr"}
	for _, c := range []struct{ name, cwd, want string }{
		{"prog", "/", ""},
		{"/bin/prog", "/", ""},
		{"/usr/prog", "/", ""},
		{"/abs", "/", ""},
		{"./prog", "/bin", ""},
		{"../beside", "/cwd", ""},
		{"../bin/prog", "/cwd", "no such file"},
		{"/script", "/", ""},
		{"/relative", "/bin", ""},
		{"/relative", "/", "no such file"},
		{"/lost", "/", `exec: "/lost": interpreter "/no/such": no such file`},
		{"/self", "/", `interpreter "/proc/self/exe": no such file`},
		{"/odd", "/", ""},
		{"lost", "/", `exec: "lost": interpreter "/no/such": no such file`}, // and not: not found in $PATH
		{"/shared", "/", `exec: "/shared": interpreter "/libexec/ld.so": no such file or directory`},
		{"/nodir", "/", `exec: "/nodir": interpreter "/bin/prog/ld.so": not a directory`},
		{"/besides", "/", ""}, // the kernel will say something
		{"/found", "/", ""},
		{"/foreign", "/", ""}, // somebody may have told the kernel what runs it
		{"nope", "/", `exec: "nope": executable file not found in $PATH`},
		{"/nope", "/", `exec: "/nope": no such file or directory`},
		{"data", "/", `exec: "data": permission denied`},
		{"/bin/dir", "/", `exec: "/bin/dir": permission denied`},
		{"", "/", "process.args[0] is empty"},
	} {
		err := LookExec(root, c.name, c.cwd, env)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("LookExec(%q) = %v; want %q", c.name, err, c.want)
		}
	}
}

// Of several programs that can't be run the first is named, and one that may not
// be run is there all the same.
func TestLookExecInPath(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(
		os.Mkdir(dir+"/a", 0o755), os.Mkdir(dir+"/b", 0o755), os.Mkdir(dir+"/c", 0o755),
		os.WriteFile(dir+"/a/lost", []byte("#!/no/a\n"), 0o755),
		os.WriteFile(dir+"/b/lost", []byte("#!/no/b\n"), 0o755),
		os.WriteFile(dir+"/a/denied", nil, 0o644),
		os.WriteFile(dir+"/a/both", nil, 0o644),
		os.WriteFile(dir+"/b/both", nil, 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	root, err := inroot.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, want := range map[string]string{
		"lost":   `exec: "lost": interpreter "/no/a": no such file or directory`,
		"denied": `exec: "denied": permission denied`,
		"both":   "<nil>",
	} {
		if err := LookExec(root, name, "/", []string{"PATH=/a:/b:/c"}); fmt.Sprint(err) != want {
			t.Errorf("LookExec(%q) = %v; want %s", name, err, want)
		}
	}
}

// program is one of this machine with an interpreter, of 64 or of 32 bits.
func program(wide bool, interpreter string) []byte {
	b := make([]byte, 300)
	copy(b, "\x7fELF\x01\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(b[16:], 3)
	le.PutUint16(b[18:], machines[runtime.GOOS+"/"+runtime.GOARCH][0])
	const table, name = 64, 200
	if !wide {
		le.PutUint32(b[28:], table)
		le.PutUint16(b[42:], 32)
		le.PutUint16(b[44:], 2)
		le.PutUint32(b[table+32:], 3)
		le.PutUint32(b[table+32+4:], name)
		le.PutUint32(b[table+32+16:], uint32(len(interpreter)+1))
	} else {
		b[4] = 2
		le.PutUint64(b[32:], table)
		le.PutUint16(b[54:], 56)
		le.PutUint16(b[56:], 2)
		le.PutUint32(b[table+56:], 3)
		le.PutUint64(b[table+56+8:], name)
		le.PutUint64(b[table+56+32:], uint64(len(interpreter)+1))
	}
	copy(b[name:], interpreter)
	return b
}

// foreign is the program for another machine.
func foreign(b []byte) []byte {
	binary.LittleEndian.PutUint16(b[18:], 0x1234)
	return b
}

func TestElfInterpreter(t *testing.T) {
	own := machines[runtime.GOOS+"/"+runtime.GOARCH]
	for _, wide := range []bool{true, false} {
		if got := elfInterpreter(program(wide, "/lib/ld.so"), own); got != "/lib/ld.so" {
			t.Errorf("wide %v: %q", wide, got)
		}
		for cut := range 300 {
			if got := elfInterpreter(program(wide, "/lib/ld.so")[:cut], own); got != "" && cut < 211 {
				t.Errorf("wide %v, %d bytes: %q", wide, cut, got)
			}
		}
	}
	for what, c := range map[string]struct {
		change func(b []byte) []byte
		want   string
	}{
		"to be linked at an address": {func(b []byte) []byte { b[16] = 2; return b }, "/lib/ld.so"},
		"an object":                  {func(b []byte) []byte { b[16] = 1; return b }, ""},
		"a big endian one":           {func(b []byte) []byte { b[5] = 2; return b }, ""},
		"something else":             {func(b []byte) []byte { b[1] = 'F'; return b }, ""},
		"a table beyond 4 GB":        {func(b []byte) []byte { b[36] = 1; return b }, ""},
		"a table beyond all":         {func(b []byte) []byte { copy(b[32:], "\xff\xff\xff\xff\xff\xff\xff\xff"); return b }, ""},
		"segments that overlap":      {func(b []byte) []byte { b[54] = 55; copy(b[64+55:], b[64+56:64+2*56]); return b }, ""},
		"a name that ends the file":  {func(b []byte) []byte { return b[:211] }, "/lib/ld.so"},
		"a name without an end":      {func(b []byte) []byte { b[64+56+32]--; return b }, ""},
		"a name of nothing":          {func(b []byte) []byte { b[64+56+32] = 0; return b }, ""},
		"a name behind the file":     {func(b []byte) []byte { binary.LittleEndian.PutUint64(b[64+56+8:], 300); return b }, ""},
		"a name far behind the file": {func(b []byte) []byte { binary.LittleEndian.PutUint64(b[64+56+8:], 1<<63); return b }, ""},
		"a table that ends the file": {func(b []byte) []byte {
			copy(b[64:], "/lib/ld.so\x00")
			copy(b[300-56:], b[64+56:64+2*56])
			binary.LittleEndian.PutUint64(b[300-56+8:], 64)
			binary.LittleEndian.PutUint64(b[32:], 300-56)
			b[56] = 1
			return b
		}, "/lib/ld.so"},
	} {
		if got := elfInterpreter(c.change(program(true, "/lib/ld.so")), own); got != c.want {
			t.Errorf("%s: %q; want %q", what, got, c.want)
		}
	}
	// As short as can be: header, table and name lie in each other.
	short := make([]byte, 52)
	copy(short, "\x7fELF\x01\x01\x01")
	le := binary.LittleEndian
	le.PutUint16(short[16:], 3)
	le.PutUint16(short[18:], own[0])
	le.PutUint32(short[20:], 3)
	le.PutUint32(short[24:], 48)
	le.PutUint32(short[28:], 20)
	le.PutUint32(short[36:], 3)
	le.PutUint16(short[42:], 32)
	le.PutUint16(short[44:], 1)
	copy(short[48:], "/x")
	if got := elfInterpreter(short, own); got != "/x" {
		t.Errorf("of a header alone: %q; want /x", got)
	}
	for n, fine := range map[int]bool{1024: true, 1025: false} {
		b := append(program(true, ""), make([]byte, 2000)...)
		long := "/" + strings.Repeat("x", n-2)
		copy(b[200:], long)
		binary.LittleEndian.PutUint64(b[64+56+32:], uint64(n))
		if got := elfInterpreter(b, own); (got == long) != fine {
			t.Errorf("a name of %d bytes is taken: %v; want %v", n, !fine, fine)
		}
	}
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := elfInterpreter(self[:headMost], own); got != "" && got[0] != '/' {
		t.Errorf("of this program: %q", got)
	}
}

// Which machine's programs a kernel runs by itself, and where it looks for what
// they need.
func TestMachines(t *testing.T) {
	const i386, arm, amd64, arm64 = 3, 40, 62, 183
	for port, runs := range map[string][]uint16{
		"linux/amd64": {amd64, i386}, "linux/arm64": {arm64, arm}, "linux/386": {i386}, "linux/arm": {arm},
		"netbsd/amd64": {amd64}, "netbsd/arm64": {arm64}, "netbsd/386": {i386}, "netbsd/arm": {arm}, "plan9/386": nil,
	} {
		for _, m := range []uint16{i386, arm, amd64, arm64} {
			b := program(true, "/lib/ld.so")
			binary.LittleEndian.PutUint16(b[18:], m)
			if got, want := elfInterpreter(b, machines[port]) != "", slices.Contains(runs, m); got != want {
				t.Errorf("%s runs programs of the machine %d: %v; want %v", port, m, got, want)
			}
		}
	}
	for system, want := range map[string]string{"linux": "", "netbsd": "/emul/linux:/emul/linux32:/emul/netbsd32:"} {
		if got, ok := prefixes[system]; !ok || strings.Join(got, ":") != want {
			t.Errorf("%s looks for interpreters below %q", system, got)
		}
	}
}

func FuzzElfInterpreter(f *testing.F) {
	f.Add(program(true, "/lib/ld.so"))
	f.Add(program(false, "/lib/ld.so"))
	f.Fuzz(func(t *testing.T, head []byte) {
		name := elfInterpreter(head, machines[runtime.GOOS+"/"+runtime.GOARCH])
		if strings.ContainsRune(name, 0) || !bytes.Contains(head, []byte(name+"\x00")) && name != "" {
			t.Fatalf("%q is not in the file", name)
		}
		if s := scriptInterpreter(head); strings.ContainsAny(s, " \n\t") {
			t.Fatalf("%q has blanks", s)
		}
	})
}
