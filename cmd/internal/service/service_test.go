package service

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/settings"
)

const sample = `# The web server.
image = registry.example.com/web:1

command   = -c "echo = # 1"
env = A=1
env = B=2
volume = data:/data
port = 8080/tcp
restart = on-failure:3
syslog = daemon.info
stop-time = 3
require = db NETWORKING
require = cache
before = LOGIN
autostart = yes
`

func TestParse(t *testing.T) {
	got, err := Parse("web", []byte(sample))
	want := &Declaration{
		Name: "web", Image: "registry.example.com/web:1", Restart: "on-failure:3", Syslog: "daemon.info", StopTime: 3 * time.Second,
		Require: []string{"db", "NETWORKING", "cache"}, Before: []string{"LOGIN"}, Autostart: true,
		Settings: settings.Settings{
			Command: []string{"-c", "echo = # 1"}, Env: []string{"A=1", "B=2"}, Ports: []string{"8080/tcp"},
			Volumes: []settings.Volume{{Name: "data", Destination: "/data"}},
		},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Parse = %+v, %v; want %+v", got, err, want)
	}
	for _, image := range []string{"/layout:web", "oci:/layout:web", "docker-archive:/x.tar", "oci", "localhost:5000/oci:1"} {
		if d, err := Parse("b", []byte("image = "+image)); err != nil || d.Image != image {
			t.Errorf("the image %s: %v", image, err)
		}
	}
	if got, err := Parse("b", []byte("bundle=/b")); err != nil || got.Restart != "on-failure" || got.StopTime != 10*time.Second || got.Autostart {
		t.Errorf("what is not said is %+v, %v", got, err)
	}
}

// Each mistake is told with its line, and the way out.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"imgae = x":                   "x.cell:1: unknown key \"imgae\"; did you mean image?",
		"image = a\n\nfrobnicate = x": "x.cell:3: unknown key \"frobnicate\"; there are image, bundle,",
		"image = a\nimage = b":        "x.cell:2: image is there already, in line 1",
		"image":                       "x.cell:1: want \"key = value\"",
		"image =":                     "x.cell:1: want \"key = value\"",
		"":                            "x.cell: want either image or bundle",
		"image = a\nbundle = /b":      "want either image or bundle",
		"bundle = b":                  "\"b\" is not an absolute path",
		"bundle = /b\nstore = /s":     "store and platform are an image's",
		"image = a\nlog-file = /x\nsyslog = daemon.info": "exclude each other",
		"image = a\nlog-file = x":                        "x.cell:2: log-file: \"x\" is not an absolute path",
		"image = a\nrestart = maybe":                     "x.cell:2: restart: restart \"maybe\": use no,",
		"image = a\nautostart = true":                    "want yes or no",
		"image = a\ntty = yes":                           "x.cell:2: tty: nobody is at the terminal",
		"image = a\nmemory = 5":                          "x.cell:2: memory: cells have no limit",
		"image = a\nrequire = a$b":                       "can't be the name",
		"image = a\ncommand = \"x":                       "x.cell:2: command:",
		"image = a\nvolume = ./x:/y":                     "x.cell:2: volume: the source of \"./x:/y\" is a path that is not absolute",
		"image = ./layout":                               "x.cell:1: image: \"./layout\" is a path that is not absolute",
		"image = oci:layout:web":                         "x.cell:1: image: \"oci:layout:web\" is a path",
		"image = a\nenv = A":                             "x.cell:2: env: \"A\" is not NAME=VALUE",
		"image = a\nstop-time = -1":                      "number of seconds",
		"image = a\nport = 80:80":                        "x.cell:2: port: port \"80:80\"",
		"image = a\nnetwork = bridge":                    "x.cell:2: network: unknown network \"bridge\"",
		"image = a\npermission = mout":                   "x.cell:2: permission: unknown permission \"mout\"; did you mean mount?",
		"image = a\nulimit = nofil=3":                    "x.cell:2: ulimit: NetBSD has no limit \"nofil\"; did you mean nofile?",
		"image = a\nprofile = hihg":                      "x.cell:2: profile: unknown profile \"hihg\"",
		"image = a\naddress = wm0":                       "x.cell:2: address: \"wm0\" is not of the form",
		"image = a\x00":                                  "want \"key = value\"",
		"image = \xff":                                   "UTF-8",
		"imgae = a\nprot = 80\nimage = a":                "x.cell:2: unknown key \"prot\"; did you mean port?",
	} {
		if d, err := Parse("x", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %+v, %v; want %q", text, d, err, want)
		}
	}
	for _, name := range []string{"", ".x", "-x", "a/b", "a b", "ä", strings.Repeat("a", 65)} {
		if _, err := Parse(name, []byte("image = a")); err == nil {
			t.Errorf("a cell of the name %q: no error", name)
		}
	}
}

func TestOrder(t *testing.T) {
	cell := func(name, require, before string) *Declaration {
		return &Declaration{Name: name, Require: strings.Fields(require), Before: strings.Fields(before)}
	}
	for _, c := range []struct {
		list   []*Declaration
		want   string
		circle bool
	}{
		{[]*Declaration{cell("web", "db cache", ""), cell("db", "NETWORKING", ""), cell("cache", "", "")}, "cache db web", false},
		{[]*Declaration{cell("a", "", ""), cell("z", "", "a LOGIN")}, "z a", false},
		{[]*Declaration{cell("a", "b", ""), cell("b", "a", ""), cell("c", "", "")}, "c a b", true},
		{[]*Declaration{cell("a", "a", "a")}, "a", false},
	} {
		got, err := Order(c.list)
		var names []string
		for _, d := range got {
			names = append(names, d.Name)
		}
		if strings.Join(names, " ") != c.want || (err != nil) != c.circle {
			t.Errorf("Order = %q, %v; want %q", names, err, c.want)
		}
	}
}

// The script is one that a shell reads, and says to rcorder what the file says.
func TestScript(t *testing.T) {
	d, err := Parse("web", []byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := Script(d, "/usr/local/sbin/runcell", map[string]bool{"web": true, "db": false, "LOGIN": false})
	if err != nil || !strings.Contains(bare, "# PROVIDE: cell_web\n# REQUIRE: runcell NETWORKING cache\n# KEYWORD: shutdown\n") {
		t.Errorf("what has no script is required: %v\n%s", err, bare)
	}
	text, err := Script(d, "/usr/local/sbin/runcell", map[string]bool{"web": true, "db": true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# PROVIDE: cell_web\n# REQUIRE: runcell cell_db NETWORKING cache\n# BEFORE: LOGIN\n# KEYWORD: shutdown\n",
		"name=\"cell_web\"\n", "command=\"/usr/local/sbin/runcell\"\n", " service \"$1\" web\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the script lacks %q:\n%s", want, text)
		}
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"rc.subr": "load_rc_config() { :; }\nrun_rc_command() { eval \"$(eval echo \\$${1}_cmd)\"; }\n",
		"runcell": "#!/bin/sh\necho \"$*\"\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text = strings.NewReplacer("/etc/rc.subr", dir+"/rc.subr", "/usr/local/sbin", dir).Replace(text)
	for _, verb := range []string{"start", "stop", "restart", "status", "check", "diff", "upgrade", "rollback"} {
		cmd := exec.Command("/bin/sh", "-s", verb)
		cmd.Stdin, cmd.Env = strings.NewReader(text), []string{"runcell_flags=--root /r"}
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "--root /r service "+verb+" web\n" {
			t.Errorf("%s calls %q, %v", verb, out, err)
		}
	}
	d.Name = "web-1"
	if _, err := Script(d, "/x", nil); err == nil {
		t.Error("a name that is no variable: no error")
	}
}

func TestRoots(t *testing.T) {
	r := Roots{}.Add(Root{Number: 1, Image: "web:1", Manifest: "sha256:1"}).Add(Root{Number: 3, Image: "web:2", Manifest: "sha256:2"})
	if x, err := r.Back(); err != nil || x.Number != 1 || r.Current != 3 || r.Check() != nil {
		t.Errorf("Back = %v, %v of %v", x, err, r)
	}
	left, gone := r.Prune()
	if len(gone) != 1 || gone[0].Number != 1 || len(left.List) != 1 || left.Check() != nil {
		t.Errorf("Prune leaves %v, %v", left, gone)
	}
	if _, err := left.Back(); err == nil {
		t.Error("Back with one root: no error")
	}
	// From an upgrade that followed a rollback it goes to what ran before it.
	r.Current = 1
	if x, err := r.Add(Root{Number: 4}).Back(); err != nil || x.Number != 1 {
		t.Errorf("Back = %v, %v; want root 1, as root 3 was gone back from", x, err)
	}
	for _, bad := range []Roots{{Current: 1}, {List: []Root{{Number: 0}}}, {List: []Root{{Number: 1, Before: 1}}}, {List: []Root{{Number: 1, Before: -1}}}, {Current: 2, List: []Root{{Number: 2}, {Number: 2}}}, {List: []Root{{Number: mostRoots + 1}}}, {List: []Root{{Number: math.MaxInt}}}} {
		if bad.Check() == nil {
			t.Errorf("Check of %v = nil", bad)
		}
	}
}

func TestDiffer(t *testing.T) {
	type x struct {
		A map[string]int `json:"a,omitempty"`
		L []string       `json:"l"`
	}
	got, err := Differ(x{map[string]int{"b": 1, "c": 2, "field": 1}, []string{"p", "q"}}, x{map[string]int{"b": 1, "field": 2}, []string{"p", "r", "s"}})
	want := []Difference{{"a.c", "2", ""}, {"l[1]", `"q"`, `"r"`}, {"l[2]", "", `"s"`}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Differ = %v, %v; want %v", got, err, want)
	}
}

func TestUnknown(t *testing.T) {
	d := &Declaration{Require: []string{"db", "dbb", "NETWORKING"}, Before: []string{"nonesuch", "dbb"}}
	known := append([]string{"db", "database"}, Provided([]byte("#!/bin/sh\n#\n# PROVIDE: x NETWORKING\n\n# PROVIDE: z\necho\n# PROVIDE: y\n"))...)
	names, near := Unknown(d, known)
	if want := []string{"dbb", "nonesuch"}; !slices.Equal(names, want) || len(near) != 2 || !slices.Contains(known, "z") || slices.Contains(known, "y") {
		t.Errorf("of %q unknown are %q (%q); want %q", known, names, near, want)
	}
	if _, near := Unknown(&Declaration{Require: []string{"databse"}}, known); near[0] != "database" {
		t.Errorf("the nearest is %q", near)
	}
}

func TestWithImage(t *testing.T) {
	got, err := WithImage([]byte(sample), "web:2")
	if want := strings.Replace(sample, "registry.example.com/web:1", "web:2", 1); err != nil || string(got) != want {
		t.Errorf("WithImage = %q, %v; want %q", got, err, want)
	}
	for _, text := range []string{"bundle = /b\n", "image = a\nimage = b\n", ""} {
		if _, err := WithImage([]byte(text), "x"); err == nil {
			t.Errorf("WithImage(%q): no error", text)
		}
	}
}

// The manual page has every key, and no other.
func TestManualNamesEveryKey(t *testing.T) {
	page, err := os.ReadFile("../../../docs/runcell-cell.5")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	for line := range strings.Lines(string(page)) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == ".It" && words[1] == "Va" {
			named = append(named, words[2])
		}
	}
	want := Keys()
	slices.Sort(named)
	slices.Sort(want)
	if want = slices.DeleteFunc(want, func(k string) bool { return k == "tty" || k == "memory" }); !slices.Equal(named, want) { // these are errors
		t.Errorf("the page names %q; there are %q", named, want)
	}
}

// Whatever is in a file, it is one that can be used or every mistake has a line.
func FuzzParse(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte("image=a\nvolume = ../x:/y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse("x", data)
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "x.cell") {
					t.Errorf("Parse(%q): %q names no line", data, line)
				}
			}
			return
		}
		text, err := Script(d, "/sbin/runcell", nil)
		if err != nil || strings.Count(text, "# PROVIDE:") != 1 || strings.Count(text, "# KEYWORD:") != 1 {
			t.Errorf("the script of %q: %v\n%s", data, err, text)
		}
		if d.Image != "" {
			again, err := WithImage(data, "web:2")
			if err != nil {
				t.Fatalf("WithImage(%q): %v", data, err)
			}
			if e, err := Parse("x", again); err != nil || e.Image != "web:2" {
				t.Errorf("with another image %q is %v, %v", data, e, err)
			}
		}
	})
}
