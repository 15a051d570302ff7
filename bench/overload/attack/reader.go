package attack

import (
	"context"
	"fmt"
)

// stalledBuffer is what the system of a client that does not read takes for it.
const stalledBuffer = 4096

// stalledReader asks for a response over HTTP/1 and takes none of it.
func stalledReader(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := dial(ctx, p, i, stalledBuffer)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", p.Path, p.Address); err != nil {
		return err
	}
	opened()
	return untilReset(ctx, c)
}
