// Package image makes the guest's root: a file system image for NetBSD with the project's own static programs and a /dev, and nothing else.
package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Free is the room in an image beside its files, in bytes.
const Free = 192 << 20

// File is a file of the image. Its content is the regular file of the same
// path in the directory that the image is made of.
type File struct {
	Path string // relative to the root, without a leading slash
	Mode int    // permissions
	Link string // what a symbolic link points to; empty for a regular file
}

// Spec describes an image of these files to makefs, as mtree(5) does. What it
// doesn't name is not in the image. Owner and group are root everywhere. The
// port has a say in device numbers.
func Spec(port string, files []File) (string, error) {
	dirs := slices.Clone(directories)
	known := map[string]bool{".": true}
	for _, d := range dirs {
		known[d.path] = true
	}
	for _, f := range files {
		if !isPlain(f.Path) {
			return "", fmt.Errorf("describe image: path %q is not plain and relative", f.Path)
		}
		if strings.ContainsAny(f.Link, " \t\n\\#") {
			return "", fmt.Errorf("describe image: link %s: %q is not plain", f.Path, f.Link)
		}
		for dir := path.Dir(f.Path); !known[dir]; dir = path.Dir(dir) {
			known[dir] = true
			dirs = append(dirs, directory{dir, 0o755})
		}
	}
	slices.SortFunc(dirs, func(a, b directory) int { return strings.Compare(a.path, b.path) })

	var b strings.Builder
	fmt.Fprintf(&b, "#mtree\n/set uid=0 gid=0\n. type=dir mode=0755\n")
	for _, d := range dirs {
		fmt.Fprintf(&b, "./%s type=dir mode=%04o\n", d.path, d.mode)
	}
	for _, d := range devices {
		kind := "char"
		if d.block {
			kind = "block"
		}
		fmt.Fprintf(&b, "./dev/%s type=%s device=netbsd,%d,%d mode=%04o\n", d.name, kind, d.majorOn(port), d.minor, d.mode)
	}
	for _, f := range files {
		name := bracket.Replace(f.Path)
		if f.Link != "" {
			fmt.Fprintf(&b, "./%s type=link mode=0755 link=%s\n", name, f.Link)
			continue
		}
		fmt.Fprintf(&b, "./%s type=file mode=%04o\n", name, f.Mode)
	}
	return b.String(), nil
}

// bracket writes the name of test(1)'s other name so that mtree(5) takes it for no
// pattern.
var bracket = strings.NewReplacer("[", `\133`)

// isPlain: mtree(5) would take blanks, backslashes and wildcards for
// something else.
func isPlain(p string) bool {
	return p != "." && filepath.IsLocal(p) && path.Clean(p) == p && !strings.ContainsAny(p, " \t\n\\*?#=")
}

// Make makes a port's image out of files in the directory from.
func Make(ctx context.Context, makefs, out, port, from string, files []File) error {
	spec, err := Spec(port, files)
	if err != nil {
		return err
	}
	size := int64(Free)
	for _, f := range files {
		st, err := os.Lstat(filepath.Join(from, f.Path))
		if err != nil {
			return fmt.Errorf("make image: %w", err)
		}
		size += st.Size() + st.Size()/32
	}
	specFile, err := writeTemp(spec)
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	defer func() { _ = os.Remove(specFile) }()
	// FFSv1 in its classic shape: every release mounts it.
	cmd := exec.CommandContext(ctx, makefs, "-t", "ffs", "-B", "little", "-s", fmt.Sprint((size+1<<20)>>20)+"m",
		"-f", "4096", "-o", "version=1,bsize=16384,fsize=2048", "-x", "-F", specFile, out, from)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make image: makefs: %w\n%s", err, bytes.TrimSpace(msg))
	}
	return nil
}

func writeTemp(s string) (name string, err error) {
	f, err := os.CreateTemp("", "mtree-*")
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, s)
	return f.Name(), errors.Join(err, f.Close())
}
