# The house: what a developer, an admin and the CI type. Logic that needs more
# than a line is in .ci/. Works with GNU make and with NetBSD's make.

GO=		go
PREFIX=		/usr/local
BINDIR=		$(PREFIX)/sbin
LIBEXECDIR=	$(PREFIX)/libexec
MANDIR=		$(PREFIX)/share/man
DOCDIR=		$(PREFIX)/share/doc/runcell
# Where the rc.d script goes; nowhere on a system without rc.d scripts.
RCDIR!=		test "$$(uname -s)" != NetBSD || echo /etc/rc.d
DESTDIR=
# Where programs are built.
OUT=		bin
VERSION!=	git describe --tags 2>/dev/null || echo 0.1.0
COMMIT!=	git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null || echo unknown
LDFLAGS=	-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# Help texts without text/template: 1 MB less, and 1 ms less for each command.
TAGS=		urfave_cli_no_template
BUILD=		CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -tags $(TAGS) -ldflags "$(LDFLAGS)"

GOLANGCI=	github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT=	mvdan.cc/gofumpt@v0.12.0
BENCHSTAT=	golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

all: build

# The same sources and Go version give the same bytes.
build:
	$(BUILD) -o $(OUT)/runcell ./cmd/runcell
	$(BUILD) -o $(OUT)/runcell-image ./cmd/runcell-image
	$(BUILD) -o $(OUT)/containerd-shim-runcell-v1 ./cmd/containerd-shim-runcell-v1
	$(BUILD) -o $(OUT)/containerd-snapshotter-runcell ./cmd/containerd-snapshotter-runcell

install: build
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man8 $(DESTDIR)$(DOCDIR)/docs
	install -m 755 $(OUT)/runcell $(DESTDIR)$(BINDIR)/runcell
	install -m 755 $(OUT)/runcell-image $(DESTDIR)$(LIBEXECDIR)/runcell-image
	install -m 755 $(OUT)/containerd-shim-runcell-v1 $(DESTDIR)$(BINDIR)/containerd-shim-runcell-v1
	install -m 755 $(OUT)/containerd-snapshotter-runcell $(DESTDIR)$(BINDIR)/containerd-snapshotter-runcell
	install -m 644 docs/*.5 $(DESTDIR)$(MANDIR)/man5/
	install -m 644 docs/*.8 $(DESTDIR)$(MANDIR)/man8/
	install -m 644 README.md CHANGES.md LICENSE $(DESTDIR)$(DOCDIR)/
	install -m 644 docs/*.md docs/*.svg docs/*.json $(DESTDIR)$(DOCDIR)/docs/
	for to in bash:bash-completion/completions/runcell zsh:zsh/site-functions/_runcell fish:fish/vendor_completions.d/runcell.fish; do \
	    file="$(DESTDIR)$(PREFIX)/share/$${to#*:}" && install -d "$${file%/*}" && \
	    sed 's|@RUNCELL@|$(BINDIR)/runcell|' cmd/runcell/completion/runcell.$${to%%:*} >"$$file" && chmod 644 "$$file" || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/share/examples/runcell/rc.d
	for script in containerd containerd_snapshotter; do \
	    file="$(DESTDIR)$(PREFIX)/share/examples/runcell/rc.d/$$script" && \
	    sed 's|@PREFIX@|$(PREFIX)|' pkg/containerd/rc.d/$$script >"$$file" && chmod 755 "$$file" || exit 1; done
	test -z "$(RCDIR)" || install -d $(DESTDIR)$(RCDIR)
	test -z "$(RCDIR)" || for script in runcell secmodel_cell; do \
	    sed 's|@PREFIX@|$(PREFIX)|' etc/rc.d/$$script >$(DESTDIR)$(RCDIR)/$$script && \
	    chmod 755 $(DESTDIR)$(RCDIR)/$$script || exit 1; done

# Pinned, from the Go proxy, checked against the checksum database.
tools: benchstat
	@test -x bin/tools/golangci-lint || { echo "building golangci-lint (once, some minutes)"; \
	    GOBIN="$$(pwd)/bin/tools" $(GO) install $(GOLANGCI); }
	@test -x bin/tools/gofumpt || GOBIN="$$(pwd)/bin/tools" $(GO) install $(GOFUMPT)

benchstat:
	@test -x bin/tools/benchstat || GOBIN="$$(pwd)/bin/tools" $(GO) install $(BENCHSTAT)

lint: tools
	GO="$(GO)" sh .ci/lint

test: build tools
	GO="$(GO)" TAGS=$(TAGS) sh .ci/test

# Builds and vets every port, and checks what the NetBSD binary links.
cross:
	GO="$(GO)" TAGS=$(TAGS) sh .ci/cross

# The kernel module for a NetBSD source tree, with the host's compilers.
# PORT is amd64 unless it is given. What is given to make is the shell's as a variable
# of its environment, and never a part of its text.
kmod:
	$(GO) run ./kmod/modbuild -port "$${PORT:-amd64}" -sys "$$NETBSD_SYS" -o bin/kmod/secmodel_cell.kmod

# Boots a NetBSD kernel in QEMU and runs suites in it: see docs/developing.md.
test-netbsd:
	$(GO) build -o bin/test-netbsd ./conformance/vm
	bin/test-netbsd -kernel "$$KERNEL" -sys "$$NETBSD_SYS" -module "$$MODULE" -image "$$IMAGE" \
	    -suite "$$SUITE" -run "$$RUN" -rounds "$${ROUNDS:-20}" -tries "$${TRIES:-0}" -smp "$${SMP:-1}" -memory "$${MEMORY:-1024}" \
	    -root "$${ROOT:-wd0a}" -flags "$$FLAGS" -logs "$$LOGS" -containerd "$$CONTAINERD" -userland "$$USERLAND" -icount="$$(test -n "$$ICOUNT" && echo true || echo false)"

# Takes checks out of the sources, one at a time, and runs the tests that should
# notice: docs/mutants.md. Needs root, on Linux.
mutants:
	$(GO) build -o bin/mutants ./cmd/internal/mutants
	bin/mutants -run "$$RUN" -sample "$${SAMPLE:-0}" -seed "$${SEED:-1}" -jobs "$${JOBS:-1}" -quiet

# Measures, and keeps every sample in bin/bench.json; with BASE=REVISION it compares
# that revision with this tree, with LOAD=N it measures beside N busy processes, too.
# RUN names parts: see docs/developing.md.
bench: build benchstat
	test -n "$$BASE$$RUN" || $(GO) run ./kmod/secmodel_cell/host/bench
	GO="$(GO)" $(GO) run ./conformance/bench -json bin/bench.json -rounds "$${ROUNDS:-20}" -run "$$RUN" -base "$$BASE" -load "$${LOAD:-0}" -containerd "$$CONTAINERD" -guest "$$(test -n "$$BASE" || sh .ci/guest-kernel)"

demo: build
	sh docs/demo.sh

# Pages that are generated from the code, and from what three runtimes do.
docs: build
	$(GO) generate ./...
	sh pkg/runcell/go-modules.sh <go.sum >pkg/runcell/go-modules.mk
	$(GO) run ./conformance --runtime bin/runcell --peer runc --peer crun --table docs/conformance.md \
	    --recorded conformance/runtime/testdata/netbsd-10.99.12-amd64.tap >/dev/null
	INJECT_EVERY=40 $(GO) run ./conformance --suite inject --runtime bin/runcell --table docs/inject.md >/dev/null
	$(GO) run ./conformance --suite clients --runtime bin/runcell --runtime bin/containerd-shim-runcell-v1,shim --peer crun --table docs/clients.md >/dev/null
	CONTAINERD=$$(GO="$(GO)" sh .ci/containerd) $(GO) run ./conformance --suite nerdctl --runtime bin/runcell \
	    --runtime bin/containerd-shim-runcell-v1,shim --peer runc --table docs/nerdctl.md >/dev/null
	CGO_ENABLED=0 GO="$(GO)" sh .ci/kmod-suite docs/kmod-conformance.md

clean:
	rm -rf bin

.PHONY: all build install tools benchstat lint test cross kmod test-netbsd mutants bench demo docs clean
