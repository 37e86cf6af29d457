package main

// One HTTP request, as inetd(8) hands it over: standard input and output are
// the connection. net/http would cost every command start-up time.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
)

const (
	maxRequest      = 8 << 10 // bytes of a request's head
	requestPatience = 10 * time.Second
)

// serveOnce answers one request for the metrics. Standard error is the
// connection too, so an error goes to the log and, in short, to the client.
func (a *app) serveOnce(ctx context.Context, page func() ([]byte, error)) error {
	type outcome struct {
		method string
		status int
	}
	read := make(chan outcome, 1)
	go func() {
		method, status := readRequest(a.stdin)
		read <- outcome{method, status}
	}()
	var r outcome
	select {
	case r = <-read:
	case <-time.After(requestPatience):
		r.status = 408
	}
	if r.status == 0 {
		return nil // the client went away
	}
	body, err := []byte(statusText[r.status]+"\n"), error(nil)
	typ := "text/plain; charset=utf-8"
	if r.status == 200 {
		var b []byte
		if b, err = page(); err == nil {
			body, typ = b, openMetricsType
		} else {
			r.status, body = 500, []byte("runcell: "+cmdline.OneLine(err.Error())+"\n")
		}
	}
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
		r.status, statusText[r.status], typ, len(body))
	if r.method == "HEAD" {
		body = nil
	}
	_, werr := a.Stdout.Write(append([]byte(head), body...))
	if err = errors.Join(err, werr); err != nil {
		log.G(ctx).Errorf("metrics: %v", err)
		return cmdline.ExitStatus(cmdline.ExitFailure)
	}
	return nil
}

var statusText = map[int]string{
	200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
	431: "Request Header Fields Too Large", 500: "Internal Server Error",
}

// readRequest reads a request's head and gives the status to answer with; 0 if
// there is nobody to answer.
func readRequest(in io.Reader) (method string, status int) {
	limited := &io.LimitedReader{R: in, N: maxRequest}
	r := bufio.NewReader(limited)
	line, err := r.ReadString('\n')
	if err != nil && line == "" {
		return "", 0
	}
	method, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
	target, proto, _ := strings.Cut(rest, " ")
	if err != nil && limited.N == 0 {
		return method, 431
	}
	if err != nil || !strings.HasPrefix(proto, "HTTP/1.") || !strings.HasPrefix(target, "/") {
		return method, 400
	}
	// The rest of the head is read, so that closing does not reset the
	// connection before the client has the answer.
	for {
		line, err := r.ReadBytes('\n')
		if len(bytes.TrimRight(line, "\r\n")) == 0 && err == nil {
			break
		}
		if err != nil && limited.N == 0 {
			return method, 431
		}
		if err != nil {
			return method, 400
		}
	}
	path, _, _ := strings.Cut(target, "?")
	switch {
	case method != "GET" && method != "HEAD":
		return method, 405
	case path != "/metrics":
		return method, 404
	}
	return method, 200
}
