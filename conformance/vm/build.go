package main

// Building what runs in the guest.

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/adversary/linux"
	"github.com/netbsd-cells/runcell/conformance/vm/image"
	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

const module = "github.com/netbsd-cells/runcell"

// linuxBusybox lies beside the suite, where the cases look for it.
const linuxBusybox = protocol.ProgramDir + "/linux-busybox"

// program is one of the project's own, static as all of them are.
type program struct {
	pkg, path string
	with      string // another program's path that needs this one
}

var programs = append([]program{
	{pkg: module + "/conformance/vm/agent", path: protocol.AgentPath},
	{pkg: module + "/conformance", path: conformance},
	{pkg: module + "/conformance/probe", path: probe, with: conformance},
	{pkg: module + "/cmd/runcell", path: runcell},
	{pkg: module + "/cmd/runcell-image", path: runcellImg, with: runcell},
	{pkg: module + "/cmd/containerd-shim-runcell-v1", path: shim},
	{pkg: module + "/cmd/containerd-snapshotter-runcell", path: snapshotter},
	{pkg: module + "/cmd/demo-web", path: demoWeb},
	{pkg: module + "/conformance/adversary", path: adversary},
	{pkg: module + "/conformance/bench", path: benchmarks},
}, roomPrograms()...)

func roomPrograms() (list []program) {
	for _, house := range slices.Sorted(maps.Keys(rooms)) {
		for _, room := range rooms[house] {
			list = append(list, program{pkg: path.Join(module, house, room), path: roomTests(house, room)})
		}
	}
	return list
}

// guest collects the files of the image in a directory.
type guest struct {
	dir   string
	port  *port
	files []image.File
}

// buildGuest builds what the plan needs.
func buildGuest(ctx context.Context, dir string, plan *protocol.Plan, o *options) (*guest, error) {
	g := &guest{dir: dir, port: o.port}
	for _, prog := range programs {
		if prog.path != protocol.AgentPath && !mentions(plan, prog.path) && (prog.with == "" || !mentions(plan, prog.with)) {
			continue
		}
		if err := g.build(ctx, &prog); err != nil {
			return nil, err
		}
	}
	if mentions(plan, conformance) || mentions(plan, linuxBusybox) {
		if err := g.linuxProgram(); err != nil {
			return nil, err
		}
	}
	if mentions(plan, adversary) {
		if err := g.linuxAdversary(ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range foreign {
		if mentions(plan, foreignPath(name)) {
			if err := g.copy(filepath.Join(o.containerd, name), foreignPath(name), 0o555); err != nil {
				return nil, err
			}
		}
	}
	if o.userland != "" {
		if plan.CutsPower() {
			if err := g.install(ctx); err != nil {
				return nil, err
			}
		}
		if err := g.tree(o.userland); err != nil {
			return nil, err
		}
	}
	if o.module != "" {
		if err := g.copy(o.module, moduleFile, 0o444); err != nil {
			return nil, err
		}
	}
	return g, g.write(protocol.PlanPath, []byte(protocol.Encode(plan)))
}

// mentions: a runtime's path may be followed by its name and a comma.
func mentions(plan *protocol.Plan, path string) bool {
	for _, s := range plan.Steps {
		if slices.ContainsFunc(s.Args, func(a string) bool {
			a, _, _ = strings.Cut(a, ",")
			return strings.HasSuffix(a, "/"+path)
		}) {
			return true
		}
	}
	return false
}

func (g *guest) build(ctx context.Context, p *program) error {
	verb := []string{"build"}
	if strings.HasSuffix(p.path, ".test") {
		verb = []string{"test", "-c"}
	}
	cmd := exec.CommandContext(ctx, "go", append(verb, "-trimpath", "-buildvcs=false", "-tags", "urfave_cli_no_template",
		"-ldflags", "-s -w", "-o", filepath.Join(g.dir, p.path), p.pkg)...)
	cmd.Env = append(os.Environ(), "GOOS=netbsd", "GOARCH="+g.port.goarch, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s for the guest: %w\n%s", path.Base(p.pkg), err, out)
	}
	g.files = append(g.files, image.File{Path: p.path, Mode: 0o555})
	return nil
}

// linuxPrograms are where a host has a static busybox for Linux (Debian:
// busybox-static). Without one, the cases that run it are skipped.
var linuxPrograms = []string{"/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"}

// linuxProgram gives the guest a program of another system than its own.
func (g *guest) linuxProgram() error {
	for _, name := range linuxPrograms {
		f, err := elf.Open(name)
		if err != nil {
			continue
		}
		fits := f.Machine == g.port.machine && !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
		if err := f.Close(); err != nil || !fits {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		err = g.write(linuxBusybox, b)
		g.files[len(g.files)-1].Mode = 0o555
		return err
	}
	return nil
}

// linuxAdversary is what the adversary starts under the emulation of Linux.
func (g *guest) linuxAdversary(ctx context.Context) error {
	dir, err := os.MkdirTemp(g.dir, "linux-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	path, err := linux.Build(ctx, dir, g.port.goarch)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read program for Linux: %w", err)
	}
	return errors.Join(os.RemoveAll(dir), g.write(adversary+"-linux", b))
}

// install has make install the project's programs, manuals and scripts, as on a
// NetBSD.
func (g *guest) install(ctx context.Context) error {
	dir, err := os.MkdirTemp(g.dir, "install-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	root := filepath.Join(dir, "root")
	cmd := exec.CommandContext(ctx, "make", "install", "OUT="+filepath.Join(dir, "bin"), "DESTDIR="+root, "PREFIX=/usr/local", "RCDIR=/etc/rc.d")
	cmd.Env = append(os.Environ(), "GOOS=netbsd", "GOARCH="+g.port.goarch)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("install for the guest: %w\n%s", err, out)
	}
	return g.tree(root)
}

// tree takes the files below a directory, such as a NetBSD's, but for those that the
// guest has of its own. Devices are the image's.
func (g *guest) tree(dir string) error {
	own := map[string]bool{protocol.PlanPath: true, moduleFile: true}
	for _, f := range g.files {
		own[f.Path] = true
	}
	tree := os.DirFS(dir)
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || own[name] {
			return err
		}
		switch d.Type() {
		case 0:
			info, err := d.Info()
			if err != nil {
				return err
			}
			return g.copy(filepath.Join(dir, name), name, int(info.Mode().Perm()))
		case fs.ModeSymlink:
			to, err := os.Readlink(filepath.Join(dir, name))
			full := filepath.Join(g.dir, name)
			g.files = append(g.files, image.File{Path: name, Link: to})
			return errors.Join(err, os.MkdirAll(filepath.Dir(full), 0o755), os.Symlink(to, full))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take files of %s: %w", dir, err)
	}
	return nil
}

// copy takes a file of the host's.
func (g *guest) copy(from, to string, mode int) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = g.write(to, b)
	}
	if err != nil {
		return fmt.Errorf("copy to the guest: %w", err)
	}
	g.files[len(g.files)-1].Mode = mode
	return nil
}

func (g *guest) write(to string, b []byte) error {
	full := filepath.Join(g.dir, to)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	if err := os.WriteFile(full, b, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	g.files = append(g.files, image.File{Path: to, Mode: 0o444})
	return nil
}

// image makes the file system image.
func (g *guest) image(ctx context.Context, out string) error {
	makefs, err := exec.LookPath("makefs")
	if err != nil {
		return fmt.Errorf("find makefs: %w (on Debian: apt-get install makefs)", err)
	}
	return image.Make(ctx, makefs, out, g.port.name, g.dir, g.files)
}

// builtModule is where `make kmod` leaves the module.
const builtModule = "bin/kmod/" + moduleName + ".kmod"

// buildModule builds the kernel module for a kernel source tree.
func buildModule(ctx context.Context, p *port, sys string, progress io.Writer) (string, error) {
	if st, err := os.Stat(filepath.Join(sys, "sys/param.h")); err != nil || st.IsDir() {
		return "", fmt.Errorf("find kernel sources: %s/sys/param.h is missing (NETBSD_SYS= is the sys directory of a NetBSD source tree)", sys)
	}
	cmd := exec.CommandContext(ctx, "make", "kmod", "PORT="+p.name, "NETBSD_SYS="+sys)
	cmd.Stdout, cmd.Stderr = progress, progress
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build module: make kmod: %w", err)
	}
	return builtModule, nil
}
