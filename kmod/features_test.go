package kmod_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
)

// List has every feature: `features` and `explain` show what is in it.
func TestListIsComplete(t *testing.T) {
	f := kmod.All()
	var want int
	for _, field := range reflect.VisibleFields(reflect.TypeOf(f)) {
		if field.Type == reflect.TypeOf(kmod.Support{}) {
			want++
		}
	}
	if got := len(f.List()); got != want {
		t.Errorf("List has %d features; want %d", got, want)
	}
}

// What the published module lacks has a reason, and this project's module
// lacks nothing.
func TestModules(t *testing.T) {
	ours, theirs := kmod.All(), kmod.Published()
	for i, s := range theirs.List() {
		if o := ours.List()[i]; o.Level != kmod.Enforced || o.Reason != "" {
			t.Errorf("ours: %+v; want it enforced", o)
		}
		has := slices.Contains([]string{"profiles", "ports"}, s.Name)
		if has != (s.Level == kmod.Enforced) || has != (s.Reason == "") {
			t.Errorf("published: %+v", s)
		}
	}
	if two := kmod.Version2(); two.DeviceList.Level != kmod.Absent || two.LinuxSignals() == "" || ours.LinuxSignals() != "" || theirs.LinuxSignals() == "" {
		t.Errorf("version 2: %+v; the devices and the signals of Linux came with 3", two)
	}
	if ours.ABI == 0 || theirs.ABI != 0 {
		t.Errorf("ABI %d and %d; want 0 for the published one only", ours.ABI, theirs.ABI)
	}
}
