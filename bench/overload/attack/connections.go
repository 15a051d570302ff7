package attack

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
)

// silent opens a connection and says nothing.
func silent(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := dial(ctx, p, i, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	opened()
	_, err = c.Read(make([]byte, 1))
	return err
}

// asked opens a connection, makes one request, and keeps the connection.
func asked(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := dial(ctx, p, i, 0)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", p.Path, p.Address); err != nil {
		return err
	}
	if err := answered(c); err != nil {
		return err
	}
	opened()
	_, err = c.Read(make([]byte, 1))
	return err
}

// answered reads one whole response.
func answered(c io.Reader) error {
	resp, err := http.ReadResponse(bufio.NewReaderSize(c, 512), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}
