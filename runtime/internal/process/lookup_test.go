package process

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
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
