package main

// Building the boot loader with the host's C compiler: see loader/loader.c.

import (
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed loader
var loaderSources embed.FS

// loaderFlags are those of the comment in loader.c, and warnings.
var loaderFlags = []string{
	"-m32", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pie", "-fno-stack-protector",
	"-nostdlib", "-static", "-Wl,-T,loader.ld,--build-id=none,--no-warn-rwx-segments",
	"-o", "loader.elf", "start.S", "loader.c",
}

// buildLoader builds the port's loader in dir and returns its path.
func buildLoader(ctx context.Context, dir string, p *port) (string, error) {
	entries, err := loaderSources.ReadDir("loader")
	if err != nil {
		return "", fmt.Errorf("build loader: %w", err)
	}
	for _, e := range entries {
		b, err := loaderSources.ReadFile("loader/" + e.Name())
		if err != nil {
			return "", fmt.Errorf("build loader: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), b, 0o644); err != nil {
			return "", fmt.Errorf("build loader: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, "gcc", append(p.loader, loaderFlags...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build loader: gcc: %w\n%s", err, out)
	}
	return filepath.Join(dir, "loader.elf"), nil
}
