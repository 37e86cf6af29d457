package linux

// Building the program with the host's C compiler.

import (
	"context"
	"debug/elf"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed program/try.c
var source []byte

var flags = []string{
	"-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-pie", "-no-pie", "-fno-stack-protector", "-fcf-protection=none",
	"-nostdlib", "-static", "-Wl,--build-id=none,-z,noexecstack", fmt.Sprintf("-Wl,-Tbss=%#x", Base),
}

// widths are the compiler's flags for instruction sets that are known, by Go's
// names.
var widths = map[string][]string{"amd64": {"-m64"}, "386": {"-m32"}}

// Build makes the program for an instruction set, by Go's name, in dir. A set
// that is not known, amd64 or 386, is an error.
func Build(ctx context.Context, dir, goarch string) (string, error) {
	width := widths[goarch]
	if width == nil {
		return "", fmt.Errorf("build a program for Linux: %q is neither amd64 nor 386", goarch)
	}
	from, to := filepath.Join(dir, "try.c"), filepath.Join(dir, "try-"+goarch)
	if err := os.WriteFile(from, source, 0o600); err != nil {
		return "", fmt.Errorf("build a program for Linux: %w", err)
	}
	args := append(append([]string{}, width...), flags...)
	if out, err := exec.CommandContext(ctx, "gcc", append(args, "-o", to, from)...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build a program for Linux: gcc: %w\n%s", err, out)
	}
	return to, brand(to)
}

// brand says in the file that it is for Linux: NetBSD's kernel goes by that, where
// the program names no interpreter.
func brand(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("brand program: %w", err)
	}
	_, err = f.WriteAt([]byte{byte(elf.ELFOSABI_LINUX)}, elf.EI_OSABI)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("brand program: %w", err)
	}
	return nil
}
