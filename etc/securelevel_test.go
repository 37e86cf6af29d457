package etc

// The securelevel takes something from root at each step: the module has to be
// loaded before 1, and containers have to be made before 2.

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ofNetBSD is what the scripts of NetBSD around ours say to rcorder(8), from
// etc/rc.d of its sources: mountcritremote 1.11, mountall 1.13, mountd 1.6,
// securelevel 1.9, DAEMON 1.5, local 1.6, LOGIN 1.8.
var ofNetBSD = []string{
	"# PROVIDE: mountcritremote\n",
	"# PROVIDE: mountall\n# REQUIRE: mountcritremote\n",
	"# PROVIDE: mountd\n# REQUIRE: mountall\n",
	"# PROVIDE: securelevel\n# REQUIRE: mountd\n# BEFORE: DAEMON\n",
	"# PROVIDE: DAEMON\n# REQUIRE: securelevel\n",
	"# PROVIDE: local\n# REQUIRE: DAEMON\n# BEFORE: LOGIN\n",
	"# PROVIDE: LOGIN\n# REQUIRE: DAEMON\n",
}

// order is who comes before whom, by the lines that rcorder(8) reads.
type order map[string][]string

func (o order) add(t *testing.T, script string) {
	t.Helper()
	lines := map[string][]string{}
	for line := range strings.Lines(script) {
		for _, key := range []string{"PROVIDE", "REQUIRE", "BEFORE"} {
			if rest, ok := strings.CutPrefix(line, "# "+key+":"); ok {
				lines[key] = append(lines[key], strings.Fields(rest)...)
			}
		}
	}
	if len(lines["PROVIDE"]) != 1 {
		t.Fatalf("provides %q: %s", lines["PROVIDE"], script)
	}
	self := lines["PROVIDE"][0]
	o[self] = append(o[self], lines["REQUIRE"]...)
	for _, later := range lines["BEFORE"] {
		o[later] = append(o[later], self)
	}
}

// follows tells whether a always comes after b.
func (o order) follows(a, b string, seen ...string) bool {
	if slices.Contains(seen, a) {
		return false
	}
	for _, before := range o[a] {
		if before == b || o.follows(before, b, append(seen, a)...) {
			return true
		}
	}
	return false
}

func TestOrderAtBoot(t *testing.T) {
	o := order{}
	for _, script := range ofNetBSD {
		o.add(t, script)
	}
	for _, pattern := range []string{"rc.d/*", "../pkg/containerd/rc.d/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) < 2 {
			t.Fatalf("scripts: %q, %v", files, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			o.add(t, string(b))
			if !strings.Contains(string(b), "# $NetBSD$\n") {
				t.Errorf("%s has no line with NetBSD's id", file)
			}
		}
	}
	for name, needs := range o {
		if o.follows(name, name) {
			t.Errorf("%s would have to come before itself", name)
		}
		for _, need := range needs {
			if _, provided := o[need]; !provided {
				t.Errorf("%s wants %s, which nothing provides: rcorder(8) complains at every boot", name, need)
			}
		}
	}
	for _, c := range []struct{ after, before string }{
		{"secmodel_cell", "mountall"}, // a package's file may be on any disk
		{"securelevel", "secmodel_cell"},
		{"runcell", "secmodel_cell"},
		{"runcell", "securelevel"},
		{"LOGIN", "runcell"},
		{"containerd", "runcell"},
	} {
		if !o.follows(c.after, c.before) {
			t.Errorf("%s does not always come after %s", c.after, c.before)
		}
	}
}

// sysctl is the stand-in for sysctl(8): what there is, is a file.
const sysctl = "#!/bin/sh\n[ \"$1\" = -n ] && cat \"$TEST_DIR/sysctl.d/$2\" 2>/dev/null\n"

// modload writes down what it loads; what is in the kernel already, and what is for
// another kernel, it refuses.
const modload = `#!/bin/sh
echo "modload $*" >>"$TEST_DIR/calls"
case $1 in
tmpfs) echo "modload: tmpfs: File exists" >&2; exit 1 ;;
*old*) echo "modload: $1: Exec format error" >&2; exit 1 ;;
esac
`

// at puts a script on a machine with a securelevel.
func at(t *testing.T, script string, level int, conf string) rc {
	t.Helper()
	r := newRC(t, "/cells/db")
	b, err := os.ReadFile(filepath.Join("rc.d", script))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"script":                    strings.NewReplacer("/etc/rc.subr", r.dir+"/rc.subr", "@PREFIX@", r.dir).Replace(string(b)),
		"sbin/sysctl":               sysctl,
		"sbin/modload":              modload,
		"sysctl.d/kern.securelevel": fmt.Sprintln(level),
		"calls":                     "",
	} {
		r.write(name, content)
	}
	if conf != "" {
		r.write("rc.conf", conf)
	}
	return r
}

func (r rc) write(name, content string) {
	r.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		r.Fatal(err)
	}
}

func TestModuleAtBoot(t *testing.T) {
	const needs = "modload nullfs\nmodload tmpfs\nmodload procfs\nmodload ptyfs\n"
	r := at(t, "secmodel_cell", 0, "secmodel_cell=YES\n")
	if calls, out, ok := r.do("start"); !ok || calls != needs+"modload secmodel_cell" || strings.Contains(out, "File exists") {
		t.Errorf("start = %v, %q, called %q", ok, out, calls)
	}
	r.write("libexec/secmodel_cell.kmod", "")
	if calls, _, ok := r.do("start"); !ok || calls != needs+"modload /libexec/secmodel_cell.kmod" {
		t.Errorf("with the package's file: start = %v, called %q", ok, calls)
	}
	r.write("rc.conf", "secmodel_cell_module=/old.kmod\n")
	if _, out, ok := r.do("start"); ok || !strings.Contains(out, "Exec format error") || !strings.Contains(out, "built for this kernel") {
		t.Errorf("a module for another kernel: start = %v, %q", ok, out)
	}
	r.write("sysctl.d/security.models.cell.name", "Cells\n")
	if out, ok := r.quietly("start"); !ok || out != "" {
		t.Errorf("a module that is loaded: start = %v, %q", ok, out)
	}
	if out, ok := r.quietly("status"); !ok || !strings.Contains(out, "is loaded") {
		t.Errorf("status = %v, %q", ok, out)
	}
}

func TestModuleAfterSecurelevel(t *testing.T) {
	r := at(t, "secmodel_cell", 1, "secmodel_cell=YES\n")
	if out, ok := r.quietly("start"); ok || !strings.Contains(out, "kern.securelevel is 1") || !strings.Contains(out, "reboot") {
		t.Errorf("start = %v, %q; want the reason and the way out", ok, out)
	}
	if out, ok := r.quietly("status"); ok || !strings.Contains(out, "not loaded") {
		t.Errorf("status = %v, %q", ok, out)
	}
}

// quietly runs a command of the script that may call nothing.
func (r rc) quietly(command string) (output string, ok bool) {
	r.Helper()
	r.write("sbin/modload", "#!/bin/sh\necho \"modload $*\"\n")
	r.write("sbin/runcell", "#!/bin/sh\necho \"runcell $*\"\n")
	_, output, ok = r.run(command)
	if strings.Contains(output, "modload ") || strings.Contains(output, "runcell --") {
		r.Errorf("%s called %s", command, output)
	}
	return output, ok
}

// At 1 containers start; at 2 the script says that they can't, and what to do.
func TestContainersAtSecurelevel(t *testing.T) {
	r := at(t, "runcell", 1, "")
	if calls, out, ok := r.do("start"); !ok || !strings.Contains(calls, "run --detach") {
		t.Errorf("at 1: start = %v, %q, called %q", ok, out, calls)
	}
	r = at(t, "runcell", 2, "")
	if out, ok := r.quietly("start"); ok || !strings.Contains(out, "kern.securelevel is 2") || !strings.Contains(out, "securelevel=1") {
		t.Errorf("at 2: start = %v, %q; want the reason and the way out", ok, out)
	}
}
