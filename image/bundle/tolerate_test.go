package bundle_test

// Configs that docker and podman take, though no specification says so.

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func set(list ...string) map[string]struct{} {
	m := map[string]struct{}{}
	for _, s := range list {
		m[s] = struct{}{}
	}
	return m
}

// noted tells whether there is a note of a place.
func noted(list []image.Note, where, reason string) bool {
	return slices.ContainsFunc(list, func(n image.Note) bool {
		return strings.Contains(n.Where, where) && strings.Contains(n.Reason, reason)
	})
}

// What nobody asked to reserve is a hint, and anything is found there.
func TestOddConfigs(t *testing.T) {
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprint(i+1))
	}
	for name, c := range map[string]struct {
		config        v1.ImageConfig
		where, reason string // of a note, if there is one
	}{
		"sctp":                 {v1.ImageConfig{ExposedPorts: set("36412/sctp")}, `"36412/sctp"`, "no port that could be reserved"},
		"capitals":             {v1.ImageConfig{ExposedPorts: set("80/TCP", "53/Udp")}, "", ""},
		"a range":              {v1.ImageConfig{ExposedPorts: set("1-65535")}, "", ""},
		"many ports":           {v1.ImageConfig{ExposedPorts: set(many...)}, "", ""},
		"an empty port":        {v1.ImageConfig{ExposedPorts: set("")}, `""`, "no port that could be reserved"},
		"a name":               {v1.ImageConfig{ExposedPorts: set("http", "$PORT/tcp")}, `"$PORT/tcp"`, "no port that could be reserved"},
		"a variable without =": {v1.ImageConfig{Env: []string{"A=b", "B", "=C"}}, "config.Env[1]", "left out"},
		"a volume on a file":   {v1.ImageConfig{Volumes: set("/f")}, `config.Volumes "/f"`, "is a file"},
		"a volume below one":   {v1.ImageConfig{Volumes: set("/f/x")}, `config.Volumes "/f/x"`, "is a file"},
		"a path with ..":       {v1.ImageConfig{WorkingDir: "/a/../srv", Volumes: set("/b/../d")}, "", ""},
	} {
		s, res, root, err := specOf(t, c.config, bundle.UnpackOptions{}, imagetest.Entry{Name: "f", Body: "x"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.where != "" && !noted(res.Notes, c.where, c.reason) {
			t.Errorf("%s: notes are %v", name, res.Notes)
		}
		if c.where == "" && (noted(res.Notes, "config.ExposedPorts", "") || noted(res.Notes, "config.Env", "")) {
			t.Errorf("%s: notes are %v; want none", name, res.Notes)
		}
		switch name {
		case "a variable without =":
			if !slices.Equal(s.Process.Env[1:], []string{"A=b"}) {
				t.Errorf("%s: env is %q", name, s.Process.Env)
			}
		case "a volume on a file":
			imagetest.WantTree(t, root, "f f 0644 1")
		case "a path with ..":
			imagetest.WantTree(t, root, "d d 0755", "f f 0644 1", "srv d 0755")
			if s.Process.Cwd != "/srv" {
				t.Errorf("%s: cwd is %s", name, s.Process.Cwd)
			}
		}
	}
}

// With --reserve-ports the protocol's case is nothing, and no port is none.
func TestReservedPorts(t *testing.T) {
	s, _, _, err := specOf(t, v1.ImageConfig{ExposedPorts: set("80/TCP", "", "53/udp")}, bundle.UnpackOptions{ReservePorts: true}, imagetest.Entry{Name: "f"})
	if err != nil || s.Annotations["org.netbsd.cell.reserved-ports"] != "53/udp,80/tcp" {
		t.Errorf("annotations are %v, %v", s.Annotations, err)
	}
}

// Directories are made for volumes, so their number has a limit.
func TestVolumesAreLimited(t *testing.T) {
	var many []string
	for i := range 1001 {
		many = append(many, fmt.Sprint("/v/", i))
	}
	_, _, _, err := specOf(t, v1.ImageConfig{Volumes: set(many...)}, bundle.UnpackOptions{}, imagetest.Entry{Name: "f"})
	if err == nil || !strings.Contains(err.Error(), "more than 1000 volumes (--max-volumes)") {
		t.Errorf("error is %v", err)
	}
	limits := image.DefaultLimits()
	limits.MaxVolumes = 0
	if _, res, _, err := specOf(t, v1.ImageConfig{Volumes: set(many...)}, bundle.UnpackOptions{Limits: &limits}, imagetest.Entry{Name: "f"}); err != nil || len(res.Notes) != 2 {
		t.Errorf("without the limit: %v, %v", res, err)
	}
}
