// Demo-web is the only program in the demo's image, /web: a small web server,
// a client for it, and a way to ask the kernel for things that a cell may or
// may not do. It is static, so the image needs nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const usage = `usage: web serve ADDRESS        answer HTTP until SIGTERM
       web get URL              print what a server answers
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
		return get(args[1])
	case "try":
		return try(args[1], args[2])
	}
	fmt.Fprint(os.Stderr, usage)
	return errors.New("no such command: " + args[0])
}

// serve answers until it is told to stop; then its exit status is 0.
func serve(addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s := &http.Server{Addr: addr, ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(hello)}
	failed := make(chan error, 1)
	go func() { failed <- s.ListenAndServe() }()
	fmt.Println("web: serves", addr)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		fmt.Println("web: ends")
		return s.Close()
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "hello from inside the cell: pid %d, uid %d, path %s\n", os.Getpid(), os.Getuid(), r.URL.Path)
}

func get(url string) error {
	c := &http.Client{Timeout: 5 * time.Second}
	r, err := c.Get(url)
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, r.Status)
	}
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}
