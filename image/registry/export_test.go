package registry

import (
	"context"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// What the stories of registries look at.
var (
	CheckRedirect = checkRedirect
	IsLoopback    = isLoopback
	ErrStalled    = errStalled
)

// PasswordFor is what a host would get that asks for credentials, "" for none.
func PasswordFor(ctx context.Context, r *Repository, host string) string {
	c, err := r.repo.Client.(*auth.Client).Credential(ctx, host)
	if err != nil {
		return err.Error()
	}
	return c.Password
}
