package bundle_test

// From an image config to config.json.

import (
	"archive/tar"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/manifest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

const (
	passwdFile = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:100:Web:/srv/web:/bin/sh\nhuge:x:99999999999999999999:0::/:\nbad line\n"
	groupFile  = "root:x:0:\nusers:x:100:\nextra:x:200:web,other\nmore:x:201:web\n"
)

// specOf unpacks an image with a config over some entries.
func specOf(t *testing.T, c v1.ImageConfig, o bundle.UnpackOptions, entries ...imagetest.Entry) (*specs.Spec, *bundle.Result, string, error) {
	t.Helper()
	l := imagetest.NewLayout(t)
	l.Index(l.Image(v1.Image{Config: c}, imagetest.Tar(t, entries...)))
	bundle, res, err := story.Unpack(t, l.Dir, o)
	if err != nil {
		return nil, nil, "", err
	}
	data, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := &specs.Spec{}
	if err := json.Unmarshal(data, s); err != nil {
		t.Fatal(err)
	}
	return s, res, filepath.Join(bundle, "rootfs"), nil
}

func accountFiles() []imagetest.Entry {
	return []imagetest.Entry{{Name: "etc/passwd", Body: passwdFile}, {Name: "etc/group", Body: groupFile}}
}

func TestUser(t *testing.T) {
	for _, c := range []struct {
		user string
		want specs.User
		home string
		err  string
	}{
		{"", specs.User{}, "/root", ""},
		{"web", specs.User{UID: 1000, GID: 100, AdditionalGids: []uint32{200, 201}}, "/srv/web", ""},
		{"1000", specs.User{UID: 1000, GID: 100, AdditionalGids: []uint32{200, 201}}, "/srv/web", ""},
		{"web:extra", specs.User{UID: 1000, GID: 200}, "/srv/web", ""},
		{"web:5", specs.User{UID: 1000, GID: 5}, "/srv/web", ""},
		{"77", specs.User{UID: 77}, "", ""},
		{"77:88", specs.User{UID: 77, GID: 88}, "", ""},
		{"nobody", specs.User{}, "", "unable to find user nobody"},
		{"web:nogroup", specs.User{}, "", "unable to find group nogroup"},
		{"-1", specs.User{}, "", "config.User"},
		{"4294967295", specs.User{}, "", "config.User"},
		{"99999999999999999999", specs.User{}, "", "config.User"},
		{"huge", specs.User{}, "", "is out of range"},
	} {
		s, _, _, err := specOf(t, v1.ImageConfig{User: c.user}, bundle.UnpackOptions{}, accountFiles()...)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("user %q: error is %v; want %q in it", c.user, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("user %q: %v", c.user, err)
			continue
		}
		if !reflect.DeepEqual(s.Process.User, c.want) {
			t.Errorf("user %q = %+v; want %+v", c.user, s.Process.User, c.want)
		}
		home := ""
		for _, e := range s.Process.Env {
			if v, ok := strings.CutPrefix(e, "HOME="); ok {
				home = v
			}
		}
		if home != c.home {
			t.Errorf("user %q: HOME=%q; want %q", c.user, home, c.home)
		}
	}
}

// CVE-2024-9676: the account files are the image's to choose, not ours to hang on.
func TestAccountFiles(t *testing.T) {
	for name, c := range map[string]struct {
		entries []imagetest.Entry
		err     string
	}{
		"missing files": {[]imagetest.Entry{{Name: "f"}}, ""},
		"a link inside the root": {[]imagetest.Entry{
			{Name: "usr/etc/passwd", Body: "x:x:42:43::/:\n"},
			{Name: "etc/passwd", Type: tar.TypeSymlink, Link: "../../../usr/etc/passwd"},
		}, ""},
		"an absolute link inside the root": {[]imagetest.Entry{
			{Name: "usr/etc/passwd", Body: "x:x:42:43::/:\n"},
			{Name: "etc", Type: tar.TypeSymlink, Link: "/usr/etc"},
		}, ""},
		"a link out of the root":  {[]imagetest.Entry{{Name: "etc/passwd", Type: tar.TypeSymlink, Link: "../../../../etc/passwd"}}, "too many levels"},
		"a link to the host's":    {[]imagetest.Entry{{Name: "etc/passwd", Type: tar.TypeSymlink, Link: "/../../proc/self/environ"}}, ""},
		"a FIFO":                  {[]imagetest.Entry{{Name: "etc/passwd", Type: tar.TypeFifo}}, "not a regular file"},
		"a device":                {[]imagetest.Entry{{Name: "etc/passwd", Type: tar.TypeChar, Major: 1, Minor: 5}}, "not a regular file"},
		"a directory":             {[]imagetest.Entry{{Name: "etc/passwd/x"}}, "not a regular file"},
		"links in a circle":       {[]imagetest.Entry{{Name: "etc/passwd", Type: tar.TypeSymlink, Link: "passwd"}}, "too many levels"},
		"a file of nine megabyte": {[]imagetest.Entry{{Name: "etc/passwd", Body: strings.Repeat("a:x:1:1::/:\n", 800_000)}}, "longer than"},
		"a group file":            {[]imagetest.Entry{{Name: "etc/group", Type: tar.TypeFifo}}, "not a regular file"},
	} {
		s, _, _, err := specOf(t, v1.ImageConfig{User: "42"}, bundle.UnpackOptions{}, c.entries...)
		switch {
		case c.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: error is %v; want %q in it", name, err, c.err)
		case strings.Contains(name, "inside the root") && s.Process.User.GID != 43:
			t.Errorf("%s: gid %d; want 43", name, s.Process.User.GID)
		}
	}
}

func TestProcess(t *testing.T) {
	s, res, rootfs, err := specOf(t, v1.ImageConfig{
		Entrypoint: []string{"/web", "-p"}, Cmd: []string{"80"}, Env: []string{"A=b", "PATH=/x", "HOME=/h"},
		WorkingDir: "/srv//app/", Volumes: map[string]struct{}{"/data/db": {}},
	}, bundle.UnpackOptions{}, imagetest.Entry{Name: "srv", Type: tar.TypeSymlink, Link: "/var/srv"})
	if err != nil {
		t.Fatal(err)
	}
	p := s.Process
	if got := strings.Join(p.Args, " "); got != "/web -p 80" {
		t.Errorf("args %q", got)
	}
	if got := strings.Join(p.Env, " "); got != "A=b PATH=/x HOME=/h" {
		t.Errorf("env %q; want the image's own", got)
	}
	if p.Cwd != "/srv/app" || s.Root.Path != "rootfs" || s.Root.Readonly {
		t.Errorf("cwd %q, root %+v", p.Cwd, s.Root)
	}
	imagetest.WantTree(t, rootfs, "data d 0755", "data/db d 0755", "srv l 0777 -> /var/srv", "var d 0755", "var/srv d 0755", "var/srv/app d 0755")
	if len(res.Notes) != 1 || !strings.Contains(res.Notes[0].Where, "/data/db") {
		t.Errorf("notes are %v; want the volume", res.Notes)
	}
}

func TestDefaults(t *testing.T) {
	s, res, _, err := specOf(t, v1.ImageConfig{}, bundle.UnpackOptions{}, imagetest.Entry{Name: "f"})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Process.Args) != 1 || s.Process.Args[0] != "/bin/sh" || len(res.Notes) != 1 {
		t.Errorf("args %q, notes %v; want a shell and a note", s.Process.Args, res.Notes)
	}
	if len(s.Process.Env) != 1 || !strings.HasPrefix(s.Process.Env[0], "PATH=/") || s.Process.Cwd != "/" {
		t.Errorf("env %q, cwd %q; want PATH and /", s.Process.Env, s.Process.Cwd)
	}
	var where []string
	for _, m := range s.Mounts {
		where = append(where, m.Destination)
	}
	if got := strings.Join(where, " "); got != "/proc /dev /dev/pts /dev/shm" {
		t.Errorf("mounts on %s", got)
	}
	a := s.Annotations
	if a["org.opencontainers.image.os"] != manifest.HostPlatform().OS || a["org.opencontainers.image.architecture"] != manifest.HostPlatform().Architecture {
		t.Errorf("annotations %v; want the system and architecture", a)
	}
}

func TestBadRunConfigs(t *testing.T) {
	for name, c := range map[string]struct {
		config v1.ImageConfig
		want   string
	}{
		"env with NUL":         {v1.ImageConfig{Env: []string{"A=b\x00c"}}, "config.Env[0]"},
		"args with NUL":        {v1.ImageConfig{Cmd: []string{"a\x00"}}, "NUL byte"},
		"workdir with dot-dot": {v1.ImageConfig{WorkingDir: "/a/../../etc"}, "config.WorkingDir"},
		"workdir in a file":    {v1.ImageConfig{WorkingDir: "/f/x"}, "config.WorkingDir"},
		"CVE-2022-23648: volume with dot-dot": {
			v1.ImageConfig{Volumes: map[string]struct{}{"/../../victim": {}}}, "config.Volumes",
		},
		"port 0":        {v1.ImageConfig{ExposedPorts: map[string]struct{}{"0/tcp": {}}}, "leave --reserve-ports out"},
		"port of sctp":  {v1.ImageConfig{ExposedPorts: map[string]struct{}{"5/sctp": {}}}, "config.ExposedPorts"},
		"a port's name": {v1.ImageConfig{ExposedPorts: map[string]struct{}{"http": {}}}, "config.ExposedPorts"},
		"all ports":     {v1.ImageConfig{ExposedPorts: map[string]struct{}{"1-65535": {}}}, "more than"},
	} {
		if _, _, _, err := specOf(t, c.config, bundle.UnpackOptions{ReservePorts: true}, imagetest.Entry{Name: "f"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v; want %q in it", name, err, c.want)
		}
	}
}

// Labels become annotations, but an image can't configure its own cell.
func TestAnnotations(t *testing.T) {
	config := v1.ImageConfig{
		ExposedPorts: map[string]struct{}{"8080": {}, "53/udp": {}, "53/tcp": {}, "9000-9001/tcp": {}},
		StopSignal:   "SIGQUIT",
		Labels: map[string]string{
			"org.netbsd.cell.permissions":      "mount",
			"org.netbsd.cell.reserved-ports":   "22",
			"org.netbsd.cell.profile":          "low",
			"com.example":                      "kept",
			"org.opencontainers.image.author":  "label wins",
			"org.opencontainers.image.version": "1",
		},
	}
	for _, reserve := range []bool{false, true} {
		s, res, _, err := specOf(t, config, bundle.UnpackOptions{ReservePorts: reserve}, imagetest.Entry{Name: "f"})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"com.example":                           "kept",
			"org.opencontainers.image.author":       "label wins",
			"org.opencontainers.image.version":      "1",
			"org.opencontainers.image.stopSignal":   "SIGQUIT",
			"org.opencontainers.image.exposedPorts": "53/tcp,53/udp,8080,9000-9001/tcp",
			"org.opencontainers.image.os":           manifest.HostPlatform().OS,
			"org.opencontainers.image.architecture": manifest.HostPlatform().Architecture,
		}
		if reserve {
			want["org.netbsd.cell.reserved-ports"] = "53/tcp,53/udp,8080/tcp,9000/tcp,9001/tcp"
		}
		if !reflect.DeepEqual(s.Annotations, want) {
			t.Errorf("reserve %v: annotations are %v; want %v", reserve, s.Annotations, want)
		}
		found := false
		for _, n := range res.Notes {
			found = found || strings.Contains(n.Reason, "may not grant its own cell") && n.Count == 3
		}
		if !found {
			t.Errorf("notes are %v; want the three labels", res.Notes)
		}
	}
}
