package process

import (
	"errors"
	"os"
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
