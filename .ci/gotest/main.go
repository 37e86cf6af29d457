// Gotest runs `go test` and says in few lines what happened: a line a package,
// the whole output of what failed, every skipped test with its reason, and the
// counts. Arguments are those of go test.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string // of a build event
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

type report struct {
	output map[[2]string][]string // by package and test
	count  map[string]int         // by action
	broken bool
}

func main() {
	cmd := exec.Command("go", append([]string{"test", "-json", "-count=1"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
	r := &report{output: map[[2]string][]string{}, count: map[string]int{}}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text())
			continue
		}
		r.add(e)
	}
	err = cmd.Wait()
	fmt.Printf("%d passed, %d failed, %d skipped\n", r.count["pass"], r.count["fail"], r.count["skip"])
	if err != nil || lines.Err() != nil || r.broken {
		os.Exit(1)
	}
}

func (r *report) add(e event) {
	key := [2]string{e.Package + e.ImportPath, e.Test}
	switch e.Action {
	case "output", "build-output":
		r.output[key] = append(r.output[key], e.Output)
		return
	case "build-fail":
		r.broken = true
		fmt.Printf("FAIL  %s does not build\n%s", e.ImportPath, strings.Join(r.output[key], ""))
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test != "" {
		r.count[e.Action]++
		if e.Action != "pass" {
			fmt.Printf("%-5s %s %s\n%s", strings.ToUpper(e.Action), e.Package, e.Test, r.text(key))
		}
		delete(r.output, key)
		return
	}
	switch e.Action {
	case "fail":
		r.broken = true
		fmt.Printf("FAIL  %s (%.1f s)\n%s", e.Package, e.Elapsed, r.text(key))
	case "pass":
		fmt.Printf("ok    %s (%.1f s)\n", e.Package, e.Elapsed)
	}
}

// text is a test's own output, without the lines go test adds around it.
func (r *report) text(key [2]string) string {
	lines := slices.DeleteFunc(slices.Clone(r.output[key]), func(l string) bool {
		l = strings.TrimSpace(l)
		return l == "" || strings.HasPrefix(l, "=== ") || strings.HasPrefix(l, "--- ") || l == "FAIL" || l == "PASS"
	})
	return strings.Join(lines, "")
}
