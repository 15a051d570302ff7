#!/bin/sh
# Builds and vets the module, or the packages given, for the systems that are
# supported but that no test of this run can use. Vet type-checks the tests too.
set -eu
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- ./...
export CGO_ENABLED=0

for target in linux/arm64 darwin/arm64 darwin/amd64 freebsd/amd64; do
	echo "build and vet $target"
	GOOS=${target%/*} GOARCH=${target#*/} go build -o /dev/null "$@"
	GOOS=${target%/*} GOARCH=${target#*/} go vet "$@"
done
for target in openbsd/amd64 netbsd/amd64 dragonfly/amd64; do
	echo "build $target"
	GOOS=${target%/*} GOARCH=${target#*/} go build -o /dev/null "$@"
done
