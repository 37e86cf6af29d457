package depcheck

// The pages about the code name rooms and files that are there, and every room.

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// place is a path of the module as pages write it.
var place = regexp.MustCompile("`((?:cmd|runtime|shim|oci|image|kmod|conformance|docs)/[A-Za-z0-9_/-]*(?:\\.[a-z]+)?)`")

func page(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPagesNameWhatIsThere(t *testing.T) {
	for _, name := range []string{"architecture.md", "developing.md"} {
		places := place.FindAllStringSubmatch(page(t, name), -1)
		if len(places) < 20 {
			t.Errorf("docs/%s names %d places: this test looks for the wrong thing", name, len(places))
		}
		for _, m := range places {
			if strings.Contains(m[1], "NAME") {
				continue // stands for any
			}
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("docs/%s: %v", name, err)
			}
		}
	}
}

func TestPageNamesEveryRoom(t *testing.T) {
	text, picture := page(t, "architecture.md"), page(t, "rooms.svg")
	for _, h := range houses[:3] { // image, runtime and shim
		for _, floor := range h.Floors {
			for _, room := range floor {
				path := strings.TrimPrefix(strings.TrimSuffix(h.Prefix+"/"+room, "."), "./")
				if strings.HasPrefix(path, "image/internal/") {
					path = "image/internal/" // one row for the mechanisms
				}
				if box := ">" + filepath.Base(path) + "<"; !strings.Contains(picture, box) && path != "image/internal/" {
					t.Errorf("docs/rooms.svg does not show %s", path)
				}
				if path = "`" + strings.TrimSuffix(path, "/") + "/`"; !strings.Contains(text, path) {
					t.Errorf("docs/architecture.md does not name %s", path)
				}
			}
		}
	}
}
