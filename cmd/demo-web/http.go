// As much of HTTP/1.0 as the demo needs. net/http would be by far the largest
// thing that all ports of this repository compile.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const (
	patience = 5 * time.Second // for one request
	maxHead  = 8 << 10         // bytes of a request's or an answer's head
)

// serve answers until it is told to stop; then its exit status is 0.
func serve(addr string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go hello(c)
	}
}

func hello(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	head, err := readHead(bufio.NewReader(io.LimitReader(c, maxHead)))
	if err != nil {
		return // a client that says nothing gets nothing
	}
	words := strings.Fields(head)
	if len(words) != 3 || words[0] != "GET" {
		fmt.Fprint(c, "HTTP/1.0 400 Bad Request\r\n\r\n")
		return
	}
	fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"+
		"hello from inside the cell: pid %d, uid %d, path %q\n", os.Getpid(), os.Getuid(), words[1])
}

func get(addr, path string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, addr)
	r := bufio.NewReader(c)
	status, err := readHead(r)
	if err != nil {
		return fmt.Errorf("get %s: %w", path, err)
	}
	if !strings.Contains(status, " 200 ") {
		return errors.New("get " + path + ": " + status)
	}
	_, err = io.Copy(os.Stdout, r)
	return err
}

// readHead gives the first line and reads the rest up to the empty one.
func readHead(r *bufio.Reader) (first string, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if first == "" {
			first = line
		}
		if line == "" {
			return first, nil
		}
	}
}
