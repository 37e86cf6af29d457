// Package mount makes the mounts that cases try or need.
package mount
