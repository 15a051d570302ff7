package workers

import (
	"bytes"
	"io"
	"net/http"
	"os"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/workers/internal/spool"
)

// wholeInMemory is how much of a body that is read in advance stays in memory, in
// bytes. A larger one goes to a temporary file.
const wholeInMemory = 256 << 10

// readWhole reads the request body to its end and keeps it for Read. What bounds
// its size is the protocol's limit on bodies.
func (c *Call) readWhole() error {
	buf := new(bytes.Buffer)
	buf.Grow(int(min(max(c.Request().ContentLength, 0), wholeInMemory)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(c, wholeInMemory+1))
	if err != nil {
		return err
	}
	if n <= wholeInMemory {
		c.body = buf
		return nil
	}
	temp, err := spool.TempFile("")
	if err != nil {
		return err
	}
	file, err := descriptors.TakeFile(temp)
	if err != nil {
		return &asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: err.Error(), RetryAfter: descriptors.RetryAfter}
	}
	if err := fill(temp, buf, c); err != nil {
		file.Close()
		return err
	}
	c.body = file
	return nil
}

// fill makes file hold what the readers have.
func fill(file *os.File, from ...io.Reader) error {
	if _, err := io.Copy(file, io.MultiReader(from...)); err != nil {
		return err
	}
	_, err := file.Seek(0, io.SeekStart)
	return err
}
