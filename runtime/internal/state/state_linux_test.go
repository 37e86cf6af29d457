package state

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

func TestValidateID(t *testing.T) {
	for _, id := range []string{"a", "A-b_c.d+e", "0", strings.Repeat("f", 64), ".x"} {
		if err := ValidateID(id); err != nil {
			t.Errorf("ValidateID(%q) = %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "a\x00", "ä", "@cells", "a b", strings.Repeat("f", 256)} {
		if ValidateID(id) == nil {
			t.Errorf("ValidateID(%q) = nil; want an error", id)
		}
	}
	if err := ValidateID("kä"); err == nil || !strings.Contains(err.Error(), "'ä'") {
		t.Errorf("ValidateID(kä) = %v; want the character named", err)
	}
}

func FuzzCellName(f *testing.F) {
	f.Add("/run/runcell", "web")
	f.Add("/x", strings.Repeat("a+", 100))
	f.Fuzz(func(t *testing.T, root, id string) {
		if ValidateID(id) != nil {
			return
		}
		name := CellName(root, id)
		if len(name) > kmod.MaxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			t.Errorf("cellName(%q, %q) = %q", root, id, name)
		}
		if CellName(root+"x", id) == name || CellName(root, id+"x") == name {
			t.Errorf("cellName(%q, %q) is not unique", root, id)
		}
	})
}

func TestRecordRoundTrip(t *testing.T) {
	want := Record{
		ID: "a", OCIVersion: "1.3.0", Phase: Created, Bundle: "/b", Rootfs: "/b/r", Created: time.Now().UTC().Round(0),
		Owner: "root", Annotations: map[string]string{"k": "v\n\"ü"}, Cell: 7, Pid: 8, PidStart: 1 << 60, Paused: true,
		Steps: []string{"one"}, Mounts: []string{"/m"},
	}
	file := filepath.Join(t.TempDir(), "state.json")
	if err := sys.WriteJSON(sys.ReplaceFile, file, want); err != nil {
		t.Fatal(err)
	}
	var got Record
	if err := sys.ReadJSON(file, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("record came back as %+v, %v; want %+v", got, err, want)
	}
}

func FuzzReadRecord(f *testing.F) {
	f.Add([]byte(`{"id":"a","pid":1,"created":"2026-01-01T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(t.TempDir(), "state.json")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var r Record
		_ = sys.ReadJSON(file, &r) // an error or a record, never a panic
	})
}
