package runtime_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/emulator"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
)

// A daemon makes a cell, runs its program with pipes for streams and a second
// process beside it, is told how both end, and deletes it. Its main function has
// begun with runtime.Embed; on NetBSD, sysctl.Open stands for emulator.Open.
func Example() {
	stateDir, bundle, remove := exampleBundle("cat") // whose config.json runs cat
	defer remove()
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			log.Panic(err)
		}
	}

	cells, err := emulator.Open(stateDir)
	check(err)
	r := runtime.New(runtime.Options{Root: stateDir, Kmod: cells, Embedded: true, Nofile: &oci.Rlimit{Soft: 1024, Hard: 4096}})

	theirInput, ourInput, err := os.Pipe()
	check(err)
	ourOutput, theirOutput, err := os.Pipe()
	check(err)
	first, err := r.Create(ctx, runtime.CreateOptions{
		ID: "web", Bundle: bundle, Streams: &runtime.Streams{In: theirInput, Out: theirOutput, Err: theirOutput},
	})
	check(err)
	check(theirInput.Close()) // the process has them
	check(theirOutput.Close())
	check(r.Start(ctx, "web"))

	second, err := r.Spawn(ctx, runtime.ExecOptions{
		ID: "web", Process: &oci.Process{Args: []string{"/payload", "exit", "3"}, Env: payloadEnv, Cwd: "/"},
		Streams: &runtime.Streams{}, // the container's null device
	})
	check(err)
	status, err := second.Wait(ctx)
	check(err)
	fmt.Println("the second process exited with", status.ExitStatus())

	_, err = ourInput.WriteString("hello\n")
	check(err)
	check(ourInput.Close()) // the end of its input ends cat
	text, err := io.ReadAll(ourOutput)
	check(err)
	status, err = first.Wait(ctx)
	check(err)
	fmt.Printf("the first process wrote %q and exited with %d\n", text, status.ExitStatus())

	check(r.Kill("web", syscall.SIGKILL, true)) // what it may have left
	check(r.Delete(ctx, "web", false))
	// Output:
	// the second process exited with 3
	// the first process wrote "hello\n" and exited with 0
}
