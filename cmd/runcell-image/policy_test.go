package main

// A host that runs only what its owner signed.

import (
	"os"
	"strings"
	"testing"
)

func TestImagePolicy(t *testing.T) {
	dir := t.TempDir()
	const keys = "../../image/trust/testdata/"
	made, here := dir+"/made", dir+"/here"
	do := func(want int, args ...string) string {
		t.Helper()
		out, stderr, status := runImage(append([]string{"image"}, args...)...)
		if status != want {
			t.Fatalf("image %s: status %d, %s; want %d", strings.Join(args, " "), status, stderr, want)
		}
		return out + stderr
	}
	do(0, "pack", "--store", made, imageRootfs(t), "web:1")
	do(0, "push", "--store", made, "web:1", dir+"/unsigned.tar")
	do(0, "push", "--store", made, "--sign-key", keys+"signify.sec", "web:1", dir+"/signed.tar")

	do(1, "import", "--store", here, "--verify-key", keys+"signify.pub", dir+"/unsigned.tar")
	do(1, "import", "--store", here, "--verify-key", keys+"minisign.pub", dir+"/signed.tar")
	do(0, "import", "--store", here, "--verify-key", keys+"signify.pub", dir+"/signed.tar")
	key, err := os.ReadFile(keys + "signify.pub")
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(here+"/owner.pub", key, 0o644)
	policy := func(text string) { os.WriteFile(here+"/policy", []byte(text), 0o644) }
	for text, want := range map[string]int{
		"localhost/ key owner.pub\ndefault refuse\n":                0,
		"localhost/web key owner.pub":                               0,
		"localhost/web:2 key owner.pub":                             1,
		"localhost/ refuse\ndefault key owner.pub":                  1,
		"localhost/ key owner.pub\nlocalhost/ key owner.pub\nx y z": 1,
	} {
		policy(text)
		if out := do(want, "bundle", "--store", here, "--no-sync", "web:1", dir+"/b"); want != 0 && !strings.Contains(out, "not trusted") {
			t.Errorf("%q: %s", text, out)
		}
		if want == 0 {
			do(0, "release", dir+"/b")
		}
		do(want, "unpack", "--store", here, "--no-sync", "web:1", dir+"/u")
		do(want, "pack", "--store", here, "--base", "web:1", imageRootfs(t), dir+"/based.tar")
		os.RemoveAll(dir + "/u")
		os.Remove(dir + "/based.tar")
	}
	do(1, "pull", "--store", here, "--stall-timeout", "0s", "web:1")
	do(1, "push", "--store", here, "--sign-key", keys+"signify.pub", "web:1", dir+"/again.tar")
}
