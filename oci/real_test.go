package oci

// Configurations as podman 4.3.1, containerd 1.6.20, buildah 1.28.2 and
// runc 1.1.5 write them, with ids and paths made neutral.

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci/strictjson"
)

func kernels() map[string]kmod.Features {
	return map[string]kmod.Features{"module": ourModule(), "emulator": emulated(), "published": published()}
}

// refusedReal says which of them a kernel can't carry out, and why.
var refusedReal = map[string]string{
	"published/podman-none":        "this kernel interface can't keep a cell off the network",
	"published/podman-privileged":  "this kernel interface can't keep a cell off the network",
	"module/podman-privileged":     "a cell can be opened 32 devices",
	"emulator/podman-privileged":   "a cell can be opened 32 devices",
	"published/containerd-default": "this kernel interface can't keep a cell off the network",
	"published/buildah-none":       "this kernel interface can't keep a cell off the network",
	"published/runc-spec":          "this kernel interface can't keep a cell off the network",
}

func TestRealConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/real/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations: %v", err)
	}
	for kernel, f := range kernels() {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			t.Run(kernel+"/"+name, func(t *testing.T) {
				cfg, err := LoadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				p, err := Compile(cfg, f)
				if want := refusedReal[kernel+"/"+name]; want != "" {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("Compile = %v; want an error with %q", err, want)
					}
				} else if err != nil {
					t.Errorf("Compile: %v", err)
				}
				golden(t, kernel+"-"+name+".txt", planText(p))
				roundTrip(t, p)
			})
		}
	}
}

// roundTrip wants a Plan to survive being stored beside the state, with
// either JSON package.
func roundTrip(t *testing.T, p *Plan) {
	t.Helper()
	text, err := strictjson.Marshal(p)
	if err != nil {
		t.Fatalf("marshal plan: %v", err)
	}
	strict, std := new(Plan), new(Plan)
	if unknown, err := strictjson.Unmarshal(text, strict); err != nil || unknown != nil {
		t.Fatalf("unmarshal plan: %v, unknown %q", err, unknown)
	}
	if err := json.Unmarshal(text, std); err != nil {
		t.Fatalf("unmarshal plan with encoding/json: %v", err)
	}
	if !reflect.DeepEqual(strict, std) {
		t.Errorf("the plan reads differently:\n%+v\n%+v", strict, std)
	}
	again, err := strictjson.Marshal(strict)
	if err != nil || string(again) != string(text) {
		t.Errorf("plan changed on its way through JSON: %v\n%s\n%s", err, text, again)
	}
}

// TestPrivileged is podman run --privileged with what the refusal advises.
func TestPrivileged(t *testing.T) {
	cfg, err := LoadFile("testdata/real/podman-privileged.json")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Annotations[AnnotationPrefix+"permissions"] = "raw-device"
	p, err := Compile(cfg, ourModule())
	if err != nil || len(p.Devices) < 100 {
		t.Errorf("Compile = %d devices, %v; want all of the host's", len(p.Devices), err)
	}
}

func TestRealProcesses(t *testing.T) {
	files, _ := filepath.Glob("testdata/process/*.json")
	if len(files) == 0 {
		t.Fatal("no processes")
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sp, err := LoadProcess(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		p, notes, err := CompileProcess(sp, ourModule())
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !reflect.DeepEqual(p.Args, sp.Args) || p.UID != sp.User.UID || p.Cwd != sp.Cwd || len(p.Env) != len(sp.Env) {
			t.Errorf("%s: %+v does not say what the file says", file, p)
		}
		for _, n := range notes {
			if n.Grade == Refused {
				t.Errorf("%s: unexpected warning %s", file, n)
			}
		}
	}
}

func TestExample(t *testing.T) {
	for name, f := range map[string]kmod.Features{"module": ourModule(), "emulator": emulated()} {
		text, err := json.Marshal(Example())
		if err != nil {
			t.Fatal(err)
		}
		p := compile(t, string(text), f)
		golden(t, name+"-example.txt", planText(p))
		for _, n := range p.Notes {
			if n.Grade == Refused {
				t.Errorf("%s: the example asks for what is refused: %s", name, n)
			}
		}
	}
}
