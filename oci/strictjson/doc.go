// Package strictjson decodes JSON into Go structs, and back, without the two
// things that make encoding/json unfit for a container's configuration: it tolerates
// duplicate and differently cased keys, of which another reader may take the
// other one, and it builds encoders for every reachable type before the first
// byte is read (2 to 3 ms for the OCI types, more than a cell's creation).
//
// Every error names the field and the line. Unknown fields are reported, not
// refused: the OCI specification wants them ignored.
package strictjson
