# Everything here is a Go command; make only saves typing.
export CGO_ENABLED = 0

.PHONY: build check test bench lint

build:
	go build -o bin/cupel ./cmd/cupel

# What to run before a commit.
check:
	go run ./scripts/test -short

# Everything, as CI does, but for the rule against skips.
test:
	go run ./scripts/test

bench: build
	bin/cupel bench

lint:
	cd tools/lint && go build -o ../../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run
