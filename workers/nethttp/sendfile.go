package nethttp

import (
	"io"
	"net/http"
	"os"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// sendFileFrom is the size from which a file is worth sending by the system, in
// bytes.
const sendFileFrom = 64 << 10

// writerOnly hides ReadFrom from io.Copy.
type writerOnly struct{ io.Writer }

// ReadFrom sends what src has. The rest of a regular file, or a part of it as
// http.ServeContent asks for, goes to the client without passing through this
// process; the file's content must then not change until it is sent.
func (w *response) ReadFrom(src io.Reader) (int64, error) {
	file, off, n := regularPart(src)
	if n < sendFileFrom || w.request.Method == http.MethodHead || !w.typed() {
		return io.Copy(writerOnly{w}, src)
	}
	if err := w.admit(int(n)); err != nil {
		return 0, err
	}
	if err := w.flush(nil); err != nil {
		return 0, err
	}
	own, err := descriptors.Duplicate(file) // the handler closes its own while this is being sent
	if err != nil {
		return 0, err
	}
	counted, err := descriptors.TakeFile(own)
	if err != nil {
		return io.Copy(writerOnly{w}, src)
	}
	if err := w.call.SendFile(counted, off, n); err != nil {
		return 0, err
	}
	_, err = file.Seek(off+n, io.SeekStart)
	if limited, ok := src.(*io.LimitedReader); ok {
		limited.N -= n
	}
	return n, err
}

// typed tells whether the content is not needed to find its type.
func (w *response) typed() bool {
	if w.status == 0 && w.hijacked == nil {
		w.setHead(http.StatusOK)
	}
	return w.started || !w.sniff || len(w.buf) > 0
}

// regularPart returns which part of which regular file src would read; n is 0 if
// it is none.
func regularPart(src io.Reader) (file *os.File, off, n int64) {
	limit := int64(-1)
	if limited, ok := src.(*io.LimitedReader); ok {
		src, limit = limited.R, max(limited.N, 0)
	}
	file, ok := src.(*os.File)
	if !ok {
		return nil, 0, 0
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, 0, 0
	}
	if off, err = file.Seek(0, io.SeekCurrent); err != nil {
		return nil, 0, 0
	}
	n = max(info.Size()-off, 0)
	if limit >= 0 {
		n = min(n, limit)
	}
	return file, off, n
}
