package main

// The files of declared cells:
//
//	ETC/runcell/NAME.cell           the declaration
//	DB/services/NAME/roots.json     which root file systems there are
//	DB/services/NAME/N/             one of them: a bundle that "image unpack" made
//	DB/services/NAME/bundle/        config.json as it is run: of the two above
//	STATE/@services/NAME.lock       held by the runcell that keeps the cell going; it
//	                                says how that ended
//	STATE/@services/NAME.run        how that was called; there until "stop"
//	STATE/@services/NAME.busy       locked by the command that changes the cell

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v3"
)

// stateServices is in the state directory. No container can have this name.
const stateServices = "@services"

func cmpText(a, b string) int { return strings.Compare(a, b) }

// openServices reads all declarations.
func (a *app) openServices(cmd *cli.Command) (*services, error) {
	if a.euid != 0 {
		return nil, errors.New("service needs root: what it starts runs for the whole machine")
	}
	e, err := a.engine(cmd)
	if err != nil {
		return nil, err
	}
	state, err := a.stateDir(cmd.Root())
	if err != nil {
		return nil, err
	}
	s := &services{app: a, engine: e, cmd: cmd, args: cmd.Args().Slice(), state: filepath.Join(state, stateServices), broken: map[string]error{}, startPatience: startPatience}
	if s.etc, err = filepath.Abs(cmd.String("etc")); err != nil {
		return nil, err
	}
	s.dir = filepath.Join(s.etc, "runcell")
	if db := cmd.String("db"); db != "" {
		if a.dataDir, err = filepath.Abs(db); err != nil {
			return nil, err
		}
	}
	return s, s.load()
}

func (s *services) load() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read declarations: %w", err)
	}
	var list []*service.Declaration
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), service.Suffix)
		if !ok || name == "" || name[0] == '.' { // what an editor has left
			continue
		}
		_, d, err := s.declaration(name)
		if err != nil {
			s.broken[name] = err
			continue
		}
		list = append(list, d)
	}
	s.all, s.circle = service.Order(list)
	kept, err := os.ReadDir(s.state)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read what was started: %w", err)
	}
	for _, e := range kept {
		name, ok := strings.CutSuffix(e.Name(), ".run")
		if ok && s.find(name) == nil && s.broken[name] == nil {
			s.broken[name] = fmt.Errorf("%s was started, and is not declared any more: there is no %s/%s%s; \"runcell service stop %s\" ends it", name, s.dir, name, service.Suffix, name)
		}
	}
	return nil
}

// unnamed stand for cells whose declaration can't be read: they can be stopped.
func (s *services) unnamed() (list []*service.Declaration) {
	for _, name := range slices.Sorted(maps.Keys(s.broken)) {
		if (len(s.args) == 0 || slices.Contains(s.args, name)) && service.CheckName(name) == nil {
			list = append(list, &service.Declaration{Name: name, StopTime: stopPatience})
		}
	}
	return list
}

// declaration reads one. Whoever can write it is root.
func (s *services) declaration(name string) (text []byte, d *service.Declaration, err error) {
	path := filepath.Join(s.dir, name+service.Suffix)
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("read declaration: %w", err)
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read declaration: %w", err)
	}
	const others = 0o022
	if st, ok := fi.Sys().(*syscall.Stat_t); !fi.Mode().IsRegular() || fi.Mode().Perm()&others != 0 || ok && st.Uid != 0 {
		return nil, nil, fmt.Errorf("%s is not a file that root alone can write: whoever can is root, so chown root and chmod go-w it", path)
	}
	if text, err = io.ReadAll(io.LimitReader(f, service.MaxSize+1)); err != nil {
		return nil, nil, fmt.Errorf("read declaration: %w", err)
	}
	d, err = service.Parse(name, text)
	return text, d, err
}

func (s *services) home(d *service.Declaration) string {
	return filepath.Join(s.dataDir, "services", d.Name)
}

func (s *services) bundle(d *service.Declaration) string { return filepath.Join(s.home(d), "bundle") }

func (s *services) lock(d *service.Declaration) string {
	return filepath.Join(s.state, d.Name+".lock")
}

// running is how the supervising runcell was called; nil = the cell is to be down.
func (s *services) running(d *service.Declaration) (args []string, err error) {
	b, err := readSmall(filepath.Join(s.state, d.Name+".run"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &args)
	}
	return args, err
}

func (s *services) setRunning(d *service.Declaration, args []string) error {
	path := filepath.Join(s.state, d.Name+".run")
	if args == nil {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return replaceJSON(path, args)
}

func (s *services) roots(d *service.Declaration) (r service.Roots, err error) {
	path := filepath.Join(s.home(d), "roots.json")
	b, err := readSmall(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil {
		err = r.Check()
	}
	if err != nil {
		return r, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

func (s *services) setRoots(d *service.Declaration, r service.Roots) error {
	return replaceJSON(filepath.Join(s.home(d), "roots.json"), r)
}

func (s *services) rootDir(d *service.Declaration, number int) string {
	return filepath.Join(s.home(d), fmt.Sprint(number))
}

// base is the bundle that the declaration changes; "" = it is still to be made.
func (s *services) base(d *service.Declaration) (string, error) {
	if d.Bundle != "" {
		return d.Bundle, nil
	}
	r, err := s.roots(d)
	if err != nil {
		return "", err
	}
	if n := choose(d, r); n > 0 {
		return s.rootDir(d, n), nil
	}
	return "", nil
}

// config is what runs: the base with what the declaration says. Paths that are
// relative to the base are absolute, since it is another bundle.
func (s *services) config(d *service.Declaration, base string) (*oci.Config, error) {
	cfg, err := s.adjusted(base, &d.Settings)
	if err != nil {
		return nil, err
	}
	if cfg.Process.Terminal {
		return nil, errors.New("process.terminal: nobody is at the terminal of a service; set it to false in the bundle's config.json")
	}
	if cfg.Root == nil {
		cfg.Root = &specs.Root{}
	}
	if !filepath.IsAbs(cfg.Root.Path) {
		cfg.Root.Path = filepath.Join(base, cfg.Root.Path)
	}
	for i, m := range cfg.Mounts {
		if isBind(m) && m.Source != "" && !filepath.IsAbs(m.Source) {
			cfg.Mounts[i].Source = filepath.Join(base, m.Source)
		}
	}
	return cfg, nil
}

func isBind(m specs.Mount) bool {
	return m.Type == "bind" || slices.Contains(m.Options, "bind") || slices.Contains(m.Options, "rbind")
}

// plan is what config becomes on this machine.
func (s *services) plan(cfg *oci.Config) (*oci.Plan, error) {
	features, err := s.engine.Features()
	if err != nil {
		return nil, err
	}
	plan, err := oci.Compile(cfg, features)
	if err == nil && s.cmd.Root().Bool("strict") {
		err = plan.Strict()
	}
	return plan, err
}

// logFile is where the output goes unless it goes to syslogd, which gets none of
// what runcell says before that.
func (s *services) logFile(d *service.Declaration) string {
	if d.LogFile != "" {
		return d.LogFile
	}
	return filepath.Join(logDir, d.Name+".log")
}

// supervisor is how a cell's runcell is called.
func (s *services) supervisor(d *service.Declaration) (args []string) {
	root := s.cmd.Root()
	for _, flag := range []string{"root", "emulate"} {
		if root.IsSet(flag) {
			args = append(args, "--"+flag, root.String(flag))
		}
	}
	if root.Bool("strict") {
		args = append(args, "--strict")
	}
	args = append(args, "run", "--bundle", s.bundle(d), "--restart", d.Restart, "--lock-file", s.lock(d), "--stop-time", d.StopTime.String())
	if d.Syslog != "" {
		args = append(args, "--syslog", d.Syslog)
	} else {
		args = append(args, "--log-file", s.logFile(d))
	}
	return append(args, "--", d.Name)
}
