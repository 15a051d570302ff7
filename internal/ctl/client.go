package ctl

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"
)

// ErrNoServer is wrapped by the errors of Ask that say that nobody listens at the path.
var ErrNoServer = errors.New("no server")

// Ask sends a request to the server at path and returns its response, all of it within
// timeout. What the server has refused is in the response; errors are of the way to it.
func Ask(path string, r Request, timeout time.Duration) (*Response, error) {
	deadline := time.Now().Add(timeout)
	c, err := net.DialTimeout("unix", path, timeout)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w has a control socket at %s", ErrNoServer, path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w listens at %s: the file is that of a dead one", ErrNoServer, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s is for the server's own user and root", path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer c.Close()
	if err := c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	r.Version = Version
	line, err := json.Marshal(&r)
	if err != nil {
		return nil, err
	}
	_, sent := c.Write(append(line, '\n')) // who is refused may have an answer all the same
	text, err := io.ReadAll(io.LimitReader(c, MaxResponse+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, fmt.Errorf("the server at %s has not answered within %v", path, timeout)
	case len(text) > MaxResponse:
		return nil, fmt.Errorf("%s: the answer is longer than %d bytes", path, MaxResponse)
	case len(text) == 0:
		return nil, fmt.Errorf("the server at %s has closed the connection without an answer", path)
	}
	response := new(Response)
	if err := json.Unmarshal(text, response); err != nil {
		return nil, fmt.Errorf("%s: not an answer of a control socket: %w", path, errors.Join(err, sent))
	}
	if response.Version != Version || !response.OK && response.Error == nil {
		return nil, fmt.Errorf("%s: an answer of another version, %d", path, response.Version)
	}
	return response, nil
}
