# Shared by the scripts in this directory: sections, and a table of results.

GO=${GO:-go}
PATH=$PATH:/usr/sbin:/sbin # runc is there
export CGO_ENABLED=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0 passed=0 skipped=0

section() { printf '\n==> %s\n' "$*"; }

# check NAME COMMAND...: runs it, shows its output only if it fails.
check() {
	name=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		passed=$((passed + 1))
		printf 'ok    %s\n' "$name"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n' "$name"
		sed 's/^/      /' "$tmp/out"
	fi
}

skip() {
	skipped=$((skipped + 1))
	printf 'skip  %s: %s\n' "$1" "$2"
}

# summary: the last line, and the exit status.
summary() {
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ]
}
