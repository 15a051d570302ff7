package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/lockfile"
	"github.com/asteri/asteri-loop/internal/system/privilege"
	"github.com/asteri/asteri-loop/internal/system/procname"
)

// enter gives the process what its files and its name are to be, before it makes any.
func enter(cfg *config.Config) error {
	if dir := cfg.Python.Chdir; dir != "" {
		if err := os.Chdir(dir); err != nil {
			return err
		}
	}
	if mask, given := cfg.Umask(); given {
		syscall.Umask(int(mask))
	}
	if cfg.ProcName == "" {
		return nil
	}
	if err := procname.Set(cfg.ProcName); err != nil {
		return fmt.Errorf("%s: %w", cfg.Origin("proc_name").Name, err)
	}
	return nil
}

// futureUser returns whom the process is to become; nil is who it is.
func futureUser(cfg *config.Config) (*privilege.User, error) {
	if cfg.User == "" && cfg.Group == "" {
		if cfg.InitGroups {
			return nil, errors.New("--initgroups is for --user: say which")
		}
		return nil, nil
	}
	user, err := privilege.Find(cfg.User, cfg.Group, cfg.InitGroups)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.Origin("user").Name, err)
	}
	if user.IsPresent() {
		return nil, nil
	}
	return user, nil
}

// warnOfRoot says what a server of root's risks.
func (p *program) warnOfRoot() {
	if os.Geteuid() == 0 && (p.user == nil || p.user.UID == 0) {
		p.logs.Warn("The server runs as root: whoever takes it over, or the application, has the machine. Give it a user of its own by --user; CAP_NET_BIND_SERVICE is enough for ports below 1024")
	}
}

// becomeUser gives up root's privileges. The ports are open, and what only root may read has
// been read; the server starts nothing before.
func (p *program) becomeUser() error {
	if p.user == nil {
		return nil
	}
	for _, path := range slices.Concat(p.logFiles(), p.server.SocketFiles()) {
		if err := p.user.Own(path); err != nil && os.Geteuid() == 0 {
			return err
		}
	}
	if err := errors.Join(p.user.Assume(), p.user.Environment()); err != nil {
		return err
	}
	p.logs.Info("Privileges are given up", "uid", p.user.UID, "gid", p.user.GID)
	p.warnOfReloads()
	return nil
}

// logFiles are those of the logs.
func (p *program) logFiles() (paths []string) {
	for _, path := range []string{p.cfg.ErrorLogfile, accessPath(p.cfg)} {
		if path != "" && path != "-" {
			paths = append(paths, path)
		}
	}
	return paths
}

// warnOfReloads names what a reload can do no more.
func (p *program) warnOfReloads() {
	tls := p.cfg.Server.TLS
	for _, path := range slices.Concat(tls.CertFiles, tls.KeyFiles, []string{tls.CAFile}) {
		if path != "" && unix.Access(path, unix.R_OK) != nil {
			p.logs.Warn("The user cannot read a file of TLS: a reload will leave certificates as they are", "file", path)
		}
	}
	for _, path := range p.logFiles() {
		if unix.Access(filepath.Dir(path), unix.W_OK|unix.X_OK) != nil {
			p.logs.Warn("The user cannot make files beside a log: once it is rotated, the log goes on in the old file", "file", path)
		}
	}
}

// keepPID writes the process id into the file that is for it, if there is to be one.
func (p *program) keepPID() error {
	cfg := p.cfg
	path := cfg.PIDFile
	if path == "" || p.before != nil { // see takePID
		return nil
	}
	var err error
	p.pidFile, err = lockfile.Create(path, fmt.Sprintf("%d\n", os.Getpid()), 0o644)
	if errors.Is(err, lockfile.ErrHeld) {
		pid, _ := os.ReadFile(path) // without it the rest is clear enough
		return fmt.Errorf("--pid %s: a server that runs has this file: process %s", path, strings.TrimSpace(string(pid)))
	}
	if err != nil {
		return fmt.Errorf("--pid: %w", err)
	}
	return nil
}

// takePID writes the process id into the file in place of that of another process, which lives.
func (p *program) takePID() {
	path := p.cfg.PIDFile
	if path == "" {
		return
	}
	file, err := lockfile.Replace(path, fmt.Sprintf("%d\n", os.Getpid()), 0o644)
	if err != nil {
		p.logs.Warn("The file with the process id is that of another process: "+err.Error(), "file", path)
		return
	}
	p.pidFile.Remove() // one that another process had replaced meanwhile: only its lock is left
	p.pidFile = file
}
