package main

// Trying a mutant: the tests of its target, one after the other until one fails.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

type outcome string

const (
	killed    outcome = "killed"
	survived  outcome = "SURVIVED"
	stillborn outcome = "no mutant" // it does not compile
	broken    outcome = "BROKEN"    // the tests could not be run
)

type verdict struct {
	outcome outcome
	by      string // which tests, or what is broken
	took    time.Duration
}

func (v verdict) line(m *mutant) string {
	line := fmt.Sprintf("%-9s %4.0fs  %s", v.outcome, v.took.Seconds(), m.key)
	if v.by != "" {
		line += "  [" + v.by + "]"
	}
	return line
}

// court has what all trials share.
type court struct {
	root   string
	dir    string // for what is built
	cache  string // Go's
	mu     sync.Mutex
	clean  map[test]func() (time.Duration, error) // how long a test takes without a change
	bodies map[string]*body                       // by directory: packages with all that can be switched
	ctx    context.Context                        //nolint:containedctx // a command's
	stop   context.CancelFunc
}

// body is what a compiler is given, and what it has made of it.
type body struct {
	overlay string     // its table of files
	program string     // the package's path, for the linker; empty = nothing to switch
	mu      sync.Mutex // one builds tests
}

// atLeast is how long tests may take, however short they are without a change:
// only what hangs takes longer.
const atLeast = time.Minute

// newCourt builds what is shared.
func newCourt(root string, list []mutant) (*court, error) {
	cache, err := goCache()
	if err != nil {
		return nil, err
	}
	c := &court{root: root, cache: cache, clean: map[test]func() (time.Duration, error){}, bodies: map[string]*body{}}
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp(filepath.Join(root, "bin"), ".mutants"); err != nil { // no package of ./...
		return nil, err
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	if err := c.embody(list); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// goCache is where Go keeps what it has built. Whoever runs many commands asks
// once.
func goCache() (string, error) {
	if dir := os.Getenv("GOCACHE"); dir != "" {
		return dir, nil
	}
	out, err := exec.Command("go", "env", "GOCACHE").Output() //nolint:forbidigo // the developer's own Go
	if err != nil {
		return "", fmt.Errorf("ask go for its cache: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (c *court) close() {
	c.stop()
	_ = os.RemoveAll(c.dir)
}

// limit is how long a test may take. Where it has not run yet, it runs without a
// change: only then can anything be said about mutants.
func (c *court) limit(t test, b *body) (time.Duration, error) {
	c.mu.Lock()
	clean, ok := c.clean[t]
	if !ok {
		clean = sync.OnceValues(func() (time.Duration, error) { return c.runClean(t, b) })
		c.clean[t] = clean
	}
	c.mu.Unlock()
	took, err := clean()
	return max(atLeast, 10*took), err
}

func (c *court) runClean(t test, b *body) (took time.Duration, err error) {
	if err := c.build(t, b); err != nil {
		return 0, err
	}
	began := time.Now()
	if out, err := c.runTest(c.ctx, t, b, "none"); err != nil {
		return 0, fmt.Errorf("%s, without a change: %w\n%s", t, err, out)
	}
	took = time.Since(began)
	fmt.Fprintf(os.Stdout, "%-9s %4.0fs  %s\n", "passes", took.Seconds(), t)
	return took, nil
}

// try finds out which tests fail on a mutant.
func (c *court) try(m *mutant) (v verdict) {
	began := time.Now()
	defer func() { v.took = time.Since(began) }()
	b := c.bodies[filepath.Dir(m.file)]
	if !m.switched() {
		dir, err := os.MkdirTemp(c.dir, "b")
		if err != nil {
			return verdict{outcome: broken, by: err.Error()}
		}
		defer func() { _ = os.RemoveAll(dir) }()
		if b, err = writeBody(dir, map[string][]byte{filepath.Join(c.root, m.file): m.alone()}); err != nil {
			return verdict{outcome: broken, by: err.Error()}
		}
		if _, err := c.exec(c.ctx, b.env(""), "go", "build", "-o", filepath.Join(dir, "built"), "./"+filepath.Dir(m.file)); err != nil {
			return verdict{outcome: stillborn}
		}
	}
	for _, t := range m.target.tests {
		if err := c.build(t, b); err != nil {
			return verdict{outcome: broken, by: err.Error()}
		}
		limit, err := c.limit(t, c.bodies[filepath.Dir(m.file)])
		if err != nil {
			return verdict{outcome: broken, by: err.Error()}
		}
		ctx, cancel := context.WithTimeout(c.ctx, limit)
		out, err := c.runTest(ctx, t, b, m.number)
		late := ctx.Err()
		cancel()
		var exit *exec.ExitError
		switch {
		case err == nil:
			continue
		case c.ctx.Err() != nil:
			return verdict{outcome: broken, by: "ended"}
		case late != nil:
			return verdict{outcome: killed, by: t.String() + ": no end"}
		case !errors.As(err, &exit) && !errors.Is(err, errNoWord):
			return verdict{outcome: broken, by: err.Error()}
		}
		return verdict{outcome: killed, by: firstFailure(out, t)}
	}
	return verdict{outcome: survived}
}

// runTest runs one test of a target against a mutant.
func (c *court) runTest(ctx context.Context, t test, b *body, number string) (out string, err error) {
	for _, pkg := range strings.Fields(t.packages) {
		bin, err := c.binary(ctx, b, pkg)
		if err != nil {
			return "", err
		}
		args := []string{bin, "-test.failfast"}
		if t.run != "" {
			args = append(args, "-test.run", t.run)
		}
		if t.skip != "" {
			args = append(args, "-test.skip", t.skip)
		}
		if out, err = c.execIn(ctx, filepath.Join(c.root, pkg), append(b.env(number), switchEnv+"="+number), args...); err != nil {
			return out, err
		}
		if !passed(out) {
			return out, errNoWord
		}
	}
	return out, nil
}

// errNoWord is what tests fail with that end with success before they say so: a
// mutant has ended them, or they have become another program.
var errNoWord = errors.New("the tests ended without a word")

// passed tells whether all tests of a package say that they have passed.
func passed(out string) bool {
	return strings.HasPrefix(out, "PASS\n") || strings.Contains(out, "\nPASS\n")
}

// build makes the programs of a test, which takes none of a mutant's time.
func (c *court) build(t test, b *body) error {
	for _, pkg := range strings.Fields(t.packages) {
		if _, err := c.binary(c.ctx, b, pkg); err != nil {
			return err
		}
	}
	return nil
}

// binary is the tests of a package, built once for a body.
func (c *court) binary(ctx context.Context, b *body, pkg string) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bin := filepath.Join(filepath.Dir(b.overlay), strings.ReplaceAll(pkg, "/", "+")+".test")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if out, err := c.exec(ctx, b.env(""), "go", "test", "-c", "-vet=off", "-o", bin, pkg); err != nil {
		return "", fmt.Errorf("build the tests of %s: %s", pkg, out)
	}
	return bin, nil
}

// firstFailure names the test that has failed.
func firstFailure(out string, t test) string {
	for line := range strings.Lines(out) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); ok {
			name, _, _ = strings.Cut(name, " (")
			return t.String() + ": " + name
		}
	}
	return t.String()
}

// exec runs a program in the module's directory, apart from all others: see
// inside.
func (c *court) exec(ctx context.Context, env []string, args ...string) (string, error) {
	return c.execIn(ctx, c.root, env, args...)
}

func (c *court) execIn(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	temp, err := os.MkdirTemp(c.dir, "t")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	cmd, end, err := apart(ctx, temp, args)
	if err != nil {
		return "", err
	}
	defer end()
	var out bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.WaitDelay = time.Minute
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOCACHE="+c.cache), env...)
	err = cmd.Run()
	return out.String(), err
}
