// Demo-web is the only program in the demo's image, /web: a small web server,
// a client for it, and a way to ask the kernel for things that a cell may or
// may not do. It is static, so the image needs nothing else.
package main

import (
	"errors"
	"fmt"
	"os"
)

const usage = `usage: web serve ADDRESS        answer HTTP until SIGTERM
       web get ADDRESS PATH     print what a server answers
       web try REQUEST [ARG]    ask the kernel for something, print its answer
requests: mount, settimeofday, kill PID, bind ADDRESS, read FILE, processes
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	args = append(args, "", "", "") // missing ones are empty
	switch args[0] {
	case "serve":
		return serve(args[1])
	case "get":
		return get(args[1], args[2])
	case "try":
		return try(args[1], args[2])
	}
	fmt.Fprint(os.Stderr, usage)
	return errors.New("no such command: " + args[0])
}
