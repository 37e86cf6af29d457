package main

// What the suites need before they run: helpers that are built, and images,
// which are made of this machine's busybox where the suites would download.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// do runs a command that prepares something.
func do(dir string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", name, err, out)
	}
	return nil
}

func copyTree(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return do(from, "cp", "-a", ".", to)
}

// image makes the images that runc's tests would download, of this machine's
// busybox: only the tests know which is which.
func image(dir string) error {
	return inBusybox(filepath.Join(dir, "root"), `for n in busybox debian; do tar -cJf ../$n-$(go env GOARCH).tar.xz .; done
	cp ../busybox-*.tar.xz ../busybox.tar.xz; cp ../debian-*.tar.xz ../debian.tar.xz`)
}

// inBusybox makes a root file system with what the image busybox has (no /proc
// and no /sys, which tests put there), runs a script in it and takes it away.
func inBusybox(root, script string) error {
	for _, sub := range []string{"bin", "dev", "etc", "home", "lib", "root", "tmp", "usr/bin", "usr/sbin", "var"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			return fmt.Errorf("make image: %w", err)
		}
	}
	system := `busybox=$(command -v busybox) && cp "$busybox" bin/busybox && bin/busybox --list | while read -r n; do
		[ -e "bin/$n" ] || ln -s busybox "bin/$n"; done
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >etc/passwd
	printf 'root:x:0:\nnogroup:x:65534:\n' >etc/group
	`
	if err := do(root, "sh", "-ec", system+script); err != nil {
		return err
	}
	return os.RemoveAll(root)
}

// podman is the command with a store of its own in the work directory.
func podman(work string) string {
	return fmt.Sprintf("podman --root %[1]s/store --runroot %[1]s/run --tmpdir %[1]s/libpod --storage-driver vfs --cgroup-manager cgroupfs --events-backend file --runtime-flag root=%[1]s/state", work)
}

// testImage makes what podman's tests would download, work/testimage.tar.
func testImage(work string) error {
	// As root, podman would ask for more descriptors than a build machine may have.
	conf := "[containers]\nnetns = \"host\"\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n"
	if err := os.WriteFile(filepath.Join(work, "containers.conf"), []byte(conf), 0o644); err != nil {
		return fmt.Errorf("make containers.conf: %w", err)
	}
	return inBusybox(filepath.Join(work, "root"), `mkdir -p home/podman
	date +%Y%m%d >home/podman/testimage-id
	touch --date=@1600000000 home/podman/testimage-id
	tar -cf ../testimage.tar .`)
}

// importImage is the command that gives it to podman, which tests may take away.
func importImage(work string) string {
	return podman(work) + ` import --quiet --change WORKDIR=/home/podman \
		--change 'CMD ["/bin/echo", "This container is intended for podman CI testing"]' ` + work + `/testimage.tar quay.io/libpod/testimage:20220615`
}
