//go:build unix

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

const (
	compileTimeout = time.Minute // it has the least of a busy machine
	compiledBytes  = 4 << 20     // at most
	compileNice    = 10          // below workers and front
)

// Compile has an interpreter compile modules, by a program that reads them from its standard
// input. The process runs nothing else: no application, and by -I and -S
// nothing of what is installed beside one. ctx ends it.
func Compile(ctx context.Context, interpreter string, env []string, program []byte, modules map[string][]byte) (wire.Code, error) {
	ctx, cancel := context.WithTimeout(ctx, compileTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, "-I", "-S", "-c", string(program))
	cmd.Env = env
	cmd.Stdin = bytes.NewReader(wire.Modules(modules))
	cmd.WaitDelay = ExitTimeout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return wire.Code{}, err
	}
	if err := cmd.Start(); err != nil {
		return wire.Code{}, err
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, cmd.Process.Pid, compileNice)
	said, err := io.ReadAll(io.LimitReader(out, compiledBytes+1))
	if len(said) > compiledBytes {
		err = fmt.Errorf("more than %d bytes of code", compiledBytes)
		cancel()
	}
	if err := errors.Join(err, cmd.Wait()); err != nil {
		return wire.Code{}, err
	}
	return wire.ParseCode(said)
}
