package clients

// The image of the cases: busybox and a few files, as `docker save` would
// write it, which every tool reads. No registry is needed.

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// ImageName is the name that the archive gives the image.
const ImageName = "localhost/busybox:latest"

// tarball writes entries in order.
type tarball struct {
	b bytes.Buffer
	w *tar.Writer
}

func newTarball() *tarball {
	t := &tarball{}
	t.w = tar.NewWriter(&t.b)
	return t
}

func (t *tarball) add(h tar.Header, content []byte) error {
	h.Size = int64(len(content))
	if err := t.w.WriteHeader(&h); err != nil {
		return fmt.Errorf("write %s: %w", h.Name, err)
	}
	_, err := t.w.Write(content)
	return err
}

func (t *tarball) file(name, content string) error {
	return t.add(tar.Header{Name: name, Mode: 0o644}, []byte(content))
}

func (t *tarball) end() ([]byte, error) {
	err := t.w.Close()
	return t.b.Bytes(), err
}

// applets are the commands that are used.
const applets = "cat date echo env false grep head hostname id kill ls ping ps sed seq sh sleep sort stat stty test touch true tty wc yes"

// layer is the root filesystem.
func layer() ([]byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return nil, fmt.Errorf("find busybox: %w (Debian: busybox-static)", err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read busybox: %w", err)
	}
	t := newTarball()
	for _, dir := range []string{"bin", "dev", "etc", "proc", "root", "sys", "tmp"} {
		if err := t.add(tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}, nil); err != nil {
			return nil, err
		}
	}
	if err := t.add(tar.Header{Name: "bin/busybox", Mode: 0o755}, program); err != nil {
		return nil, err
	}
	for name := range strings.FieldsSeq(applets) {
		if err := t.add(tar.Header{Name: "bin/" + name, Typeflag: tar.TypeSymlink, Linkname: "busybox"}, nil); err != nil {
			return nil, err
		}
	}
	if err := t.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n"); err != nil {
		return nil, err
	}
	if err := t.file("etc/group", "root:x:0:\nuser:x:1000:\n"); err != nil {
		return nil, err
	}
	return t.end()
}

// Image is the archive.
func Image() ([]byte, error) {
	root, err := layer()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(root)
	config, err := json.Marshal(map[string]any{
		"os": "linux", "architecture": runtime.GOARCH,
		"config":  map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": []string{"sh"}},
		"history": []map[string]any{{"created": "2026-01-01T00:00:00Z", "created_by": "the suite"}},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return nil, fmt.Errorf("encode image's config: %w", err)
	}
	id := sha256.Sum256(config)
	name := hex.EncodeToString(id[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{"Config": name, "RepoTags": []string{ImageName}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, fmt.Errorf("encode image's manifest: %w", err)
	}
	t := newTarball()
	for _, f := range []struct{ name, content string }{
		{name, string(config)}, {"layer.tar", string(root)}, {"manifest.json", string(manifest)},
	} {
		if err := t.file(f.name, f.content); err != nil {
			return nil, err
		}
	}
	return t.end()
}
