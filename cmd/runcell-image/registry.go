package main

// runcell registry: whom a registry lets in.

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
	"github.com/urfave/cli/v3"
	"golang.org/x/term"
)

func registryCommand() *cli.Command {
	c := &cli.Command{
		Name:  "registry",
		Usage: "log in to registries and out of them",
		Description: `Passwords are kept in a file of podman's kind, which podman reads as well. They are
not encrypted in it: the file is its owner's alone.`,
		Commands: []*cli.Command{loginCommand(), logoutCommand()},
		Before: func(ctx context.Context, cmd *cli.Command) (context.Context, error) {
			cmdline.LogInert(ctx, cmd)
			return ctx, nil
		},
	}
	for _, below := range c.Commands {
		below.Action = interruptible(below.Action)
	}
	return c
}

func loginCommand() *cli.Command {
	flags := registryFlags()
	return &cli.Command{
		Name:      "login",
		Usage:     "check a user name and a password with a registry, and keep them",
		ArgsUsage: "HOST",
		Description: `HOST is the beginning of an image's name, such as registry.example.com or
docker.io. What is not given by flags is asked for on the terminal, the password
without an echo. Nothing is kept that the registry refuses.`,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "username", Aliases: []string{"u"}, Usage: "log in as `USER`"},
			&cli.BoolFlag{Name: "password-stdin", Usage: "read the password from standard input, to its end"},
		}, flags...),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			host, o, err := registryHost(cmd)
			if err != nil {
				return err
			}
			user, password, err := credentials(ctx, cmd)
			if err != nil {
				return err
			}
			kept, err := registry.Login(ctx, host, user, password, o)
			if err != nil {
				return fmt.Errorf("log in to %s: %w", host, err)
			}
			if !kept.Asked {
				fmt.Fprintf(cmd.Root().ErrWriter, "runcell: warning: %s asks nobody for a password here, so it may not have looked at this one\n", host)
			}
			_, err = fmt.Fprintf(cmd.Root().Writer, "%s: logged in as %s; %s has the password\n", host, user, kept.File)
			return err
		},
	}
}

func logoutCommand() *cli.Command {
	return &cli.Command{
		Name:      "logout",
		Usage:     "remove what is kept of a login",
		ArgsUsage: "HOST",
		Description: `Also removes what is kept for parts of HOST. What docker keeps is left alone, and
is an error.`,
		Flags: registryFlags()[:1],
		Action: func(ctx context.Context, cmd *cli.Command) error {
			args, err := arguments(cmd, 1, 1)
			if err != nil {
				return err
			}
			host, err := reference.ParseRegistry(args[0])
			if err != nil {
				return err
			}
			files, err := registry.Logout(ctx, host, registry.Options{AuthFile: cmd.String("authfile")})
			for _, f := range files {
				fmt.Fprintf(cmd.Root().Writer, "%s: logged out; %s has no password any more\n", host, f)
			}
			if err != nil {
				return fmt.Errorf("log out of %s: %w", host, err)
			}
			return nil
		},
	}
}

// registryHost reads the argument and the flags of a command that talks to a
// registry.
func registryHost(cmd *cli.Command) (host string, o registry.Options, err error) {
	args, err := arguments(cmd, 1, 1)
	if err != nil {
		return "", o, err
	}
	if host, err = reference.ParseRegistry(args[0]); err != nil {
		return "", o, err
	}
	o, err = registryOptions(cmd, newTransfers(cmd.Root().ErrWriter, "login"))
	return host, o, err
}

// maxPassword is the most that is read of a password, in bytes. Some are tokens.
const maxPassword = 64 << 10

// credentials are what the flags say, and what is typed. A password is no argument:
// everybody on the machine can read those.
func credentials(ctx context.Context, cmd *cli.Command) (user, password string, err error) {
	user = cmd.String("username")
	in := cmd.Root().Reader
	if cmd.Bool("password-stdin") {
		if user == "" {
			return "", "", errors.New("--password-stdin leaves nobody to ask for the user name: give --username USER")
		}
		data, err := await(ctx, func() ([]byte, error) { return io.ReadAll(io.LimitReader(in, maxPassword+1)) })
		if err == nil && len(data) > maxPassword {
			err = fmt.Errorf("more than %d bytes", maxPassword)
		}
		if err != nil {
			return "", "", fmt.Errorf("read password: %w", err)
		}
		return user, strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
	}
	terminal, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", "", errors.New("standard input is no terminal, so nobody can be asked: give --username USER and --password-stdin")
	}
	if user == "" {
		if user, err = askUser(ctx, cmd.Root().ErrWriter, terminal); err != nil {
			return "", "", fmt.Errorf("read user name: %w", err)
		}
	}
	if password, err = askPassword(ctx, cmd.Root().ErrWriter, terminal); err != nil {
		return "", "", fmt.Errorf("read password: %w", err)
	}
	return user, password, nil
}

// askUser reads a line. A terminal gives one at a time, so the next one is not lost.
func askUser(ctx context.Context, out io.Writer, terminal *os.File) (string, error) {
	fmt.Fprint(out, "User name: ")
	line, err := await(ctx, func() (string, error) { return bufio.NewReader(terminal).ReadString('\n') })
	return strings.TrimSpace(line), err
}

// askPassword reads a line without an echo. The terminal is as it was before,
// also after a signal.
func askPassword(ctx context.Context, out io.Writer, terminal *os.File) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	fmt.Fprint(out, "Password: ")
	password, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	fmt.Fprintln(out)
	if ctx.Err() != nil {
		err = errors.Join(err, term.Restore(fd, before))
	}
	return string(password), err
}

// await waits for what a person types, or a pipe gives, or for the end of ctx.
func await[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := read()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
