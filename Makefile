# purebundle: build, test, lint, bench, install, release.

VERSION ?= 0.1.0
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
PREFIX  ?= /usr/local
PROGRAM ?= purebundle
LDFLAGS  = -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
BUILD    = CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# What the tests call: oracles (e2fsck, rsync), makers of odd trees and mounts,
# a terminal, and a C compiler for the race detector.
TEST_PACKAGES = acl attr bash-completion btrfs-progs bzip2 cpio debootstrap dosfstools e2fsprogs f2fs-tools fdisk fish gcc gdisk grub-common grub-efi-amd64-bin grub-pc-bin libc6-dev libcap2-bin lz4 mount mtools openssl qemu-utils rsync squashfs-tools tmux util-linux xfsprogs xz-utils zsh zstd

# Most tests mount something. As an ordinary user the tests are built as that
# user and run by sudo; the environment is kept, with the tools of sbin found.
SUDO = $(shell test "$$(id -u)" = 0 || command -v sudo)
ifneq ($(SUDO),)
EXEC = -exec '$(SUDO) -E env HOME=$(HOME) PATH=$(PATH):/usr/sbin:/sbin'
endif
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: all build test test-boot test-deps test-release versitygw rclone e2fsck lint bench microbench install install-ec2 release clean
.NOTPARALLEL:

all: build

build:
	$(BUILD) -o $(PROGRAM) ./cmd/purebundle

# The S3 servers of the tests: does nothing where they are built already.
versitygw rclone:
	.ci/s3server $@

# An older and stricter e2fsck for the tests, likewise.
e2fsck:
	.ci/e2fsck

# What does not run on the second server: faults and many objects take long, and
# the bytes that TestReplace and TestUpload count are fewer where copies keep their
# checksums.
NOT_TWICE = TestHundred|TestEachFault|TestFaultsThatStay|TestCopyNeverWorks|TestReplacementFails|TestStopDuringStall|TestDamageThatStays|TestCancel|TestManyObjects|TestReplace$$|TestUpload$$

# Packages that are tested at once: one more than there are processors, because tests
# wait for disks and servers half of the time.
AT_ONCE = $(shell echo $$(($$(nproc) + 1)))

# Every package; the one that takes as long as all others together begins first.
PACKAGES = ./cmd/purebundle ./...

# Every test once as it is shipped, and once under the race detector (-short:
# what takes long there and starts no goroutine of its own runs once only), beside
# those of S3 on a server of another make, which wait much. Where CI is set a skipped
# test is a failure.
test: versitygw rclone e2fsck
	CGO_ENABLED=0 .ci/gotest $(EXEC) -p $(AT_ONCE) -timeout 40m $(PACKAGES)
	PUREBUNDLE_TEST_S3=rclone CGO_ENABLED=0 .ci/gotest $(EXEC) -timeout 40m -skip '$(NOT_TWICE)' ./chunk/s3 ./chunk/s3/s3test & \
	rclone=$$!; status=0; \
	CGO_ENABLED=1 .ci/gotest $(EXEC) -p $(AT_ONCE) -timeout 40m -race -short $(PACKAGES) || status=$$?; \
	wait $$rclone && exit $$status

# Systems of Debian are bundled and boot in emulated machines, 27 boots in all: an
# hour, 8 GiB of disk. Installs nothing, but says what is missing; the first run
# downloads 300 MB of packages from where the machine's own apt does.
test-boot:
	CGO_ENABLED=0 go test -tags boot -count=1 -v $(EXEC) -timeout 120m -run '^TestBoot' ./cmd/purebundle

test-deps:
	@missing=; for p in $(TEST_PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then set -x; $(SUDO) apt-get update && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$missing; fi

lint:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi
	go vet -tags boot ./...
	go run $(STATICCHECK) -tags boot ./...
	.ci/govulncheck

# Trees are made and removed: 40 GiB of disk, an hour. BENCH has its flags:
# make bench BENCH='-trees A -rounds 3'; BENCH=-h lists them. bench/results.md says how
# its figures get into the tables of the README.
bench: build versitygw
	go run ./cmd/purebundle/bench -purebundle ./purebundle $(BENCH)

microbench:
	go test -run '^$$' -bench . -benchmem ./...

# Needs no Go where "make" was run before: sudo make install PREFIX=/usr.
# PROGRAM is what is installed; ./purebundle writes its manual and completions.
SHARE = $(DESTDIR)$(PREFIX)/share
install:
	test -x purebundle || $(MAKE) build
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man $(SHARE)/bash-completion/completions \
	  $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/purebundle
	umask 022 && ./purebundle man $(SHARE)/man
	umask 022 && ./purebundle completion bash > $(SHARE)/bash-completion/completions/purebundle
	umask 022 && ./purebundle completion zsh > $(SHARE)/zsh/site-functions/_purebundle
	umask 022 && ./purebundle completion fish > $(SHARE)/fish/vendor_completions.d/purebundle.fish

# The names of Amazon's tools, whose options "purebundle ec2" takes.
EC2_TOOLS = ec2-bundle-vol ec2-bundle-image ec2-unbundle ec2-migrate-manifest \
  ec2-upload-bundle ec2-download-bundle ec2-delete-bundle ec2-migrate-bundle ec2-ami-tools-version
install-ec2: install
	for tool in $(EC2_TOOLS); do ln -sf purebundle $(DESTDIR)$(PREFIX)/bin/$$tool || exit 1; done

# What is published, in dist/release: the same bytes from the same commit.
release: build
	VERSION='$(VERSION)' .ci/release

# Builds it twice and compares; installs and runs the packages in a small Debian
# without rsync, from the mirror that the machine's own apt uses, and has the service
# ship from there to an S3 server. Root or sudo.
test-release: release versitygw
	VERSION='$(VERSION)' .ci/test-release

clean:
	rm -rf purebundle dist
