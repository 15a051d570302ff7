#!/bin/sh
# Runs every fuzz target of the module, one after the other: fuzz.sh [TIME]
set -eu
cd "$(dirname "$0")/.."
time=${1:-20s}

grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r package; do
	go test -list '^Fuzz' "$package" | grep '^Fuzz' | while read -r target; do
		echo "fuzz $package $target for $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$package" </dev/null
	done
done
