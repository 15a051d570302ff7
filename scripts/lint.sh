#!/bin/sh
# Lints the module, or the packages given. The linter is fetched through the Go
# module proxy at the version below and kept in Go's build cache, so that every
# machine runs the same one; the first run compiles it, which takes minutes.
set -eu
cd "$(dirname "$0")/.."

GOLANGCI_LINT=github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

[ $# -gt 0 ] || set -- ./...
exec go run "$GOLANGCI_LINT" run "$@"
