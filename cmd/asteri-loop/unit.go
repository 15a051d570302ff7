package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/system/activation"
)

// printUnit is asteri-loop systemd: a unit for a server with these arguments, in this folder.
func printUnit(in config.Input) int {
	cfg, err := config.Load(in)
	if err == nil {
		err = checkUnit(in, cfg)
	}
	if err != nil {
		return complain(exitUsage, fmt.Errorf("systemd: %w", err))
	}
	self, err := os.Executable()
	if err != nil {
		return complain(exitFailure, err)
	}
	_, err = os.Stdout.WriteString(unit(in, cfg, self))
	return ended(err)
}

// checkUnit refuses what would be at odds with the service manager.
func checkUnit(in config.Input, cfg *config.Config) error {
	asked := func(name string) bool { return cfg.Origin(name).Layer != config.Default }
	switch {
	case cfg.Help || cfg.Version:
		return errors.New("give the options and the application of the server")
	case cfg.Daemon || cfg.PIDFile != "":
		return errors.New("leave out --daemon and --pid: systemd watches the process itself")
	case asked("user") || asked("group"):
		if rest, err := config.Load(config.Input{Args: withoutUser(in.Args), Environ: in.Environ, Dir: in.Dir}); err != nil || rest.User+rest.Group != "" {
			return errors.New("give --user and --group as options, each by itself: the unit has them as User= and Group=")
		}
	}
	return nil
}

// withoutUser drops the options that the unit has in words of its own.
func withoutUser(args []string) (rest []string) {
	for i := 0; i < len(args); i++ {
		name, _, valued := strings.Cut(args[i], "=")
		switch {
		case slices.Contains([]string{"--user", "--group", "-u", "-g"}, name):
			if !valued {
				i++
			}
		case args[i] == "--initgroups", strings.HasPrefix(args[i], "-u"), strings.HasPrefix(args[i], "-g"):
		default:
			rest = append(rest, args[i])
		}
	}
	return rest
}

// unitTail is what does not depend on the settings.
const unitTail = `
# What the server and the application may do. Folders that the application writes to, beside /tmp:
# ReadWritePaths=/srv/uploads
NoNewPrivileges=yes
ProtectSystem=strict
PrivateTmp=yes
PrivateDevices=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0027

[Install]
WantedBy=multi-user.target
`

// unit makes the text.
func unit(in config.Input, cfg *config.Config, self string) string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "=" + value + "\n") }
	b.WriteString("[Unit]\n")
	line("Description", "asteri-loop: "+specifiers(cmp.Or(cfg.App, "several applications")))
	line("After", "network-online.target")
	line("Wants", "network-online.target")
	b.WriteString("\n[Service]\n")
	line("Type", "notify")
	b.WriteString("# From systemd 253 on Type=notify-reload does without ExecReload, and waits for the end of a reload.\n")
	line("ExecStart", commandLine(append([]string{self}, withoutUser(in.Args)...)))
	line("ExecReload", "/bin/kill -HUP $MAINPID")
	line("WorkingDirectory", specifiers(in.Dir))
	if cfg.User == "" {
		line("DynamicUser", "yes")
	} else {
		line("User", specifiers(cfg.User))
	}
	if cfg.Group != "" {
		line("Group", specifiers(cfg.Group))
	}
	line("RuntimeDirectory", "asteri-loop")
	line("Environment", "XDG_RUNTIME_DIR=%t/asteri-loop")
	if env := os.Getenv("VIRTUAL_ENV"); env != "" && cfg.Python.Interpreter == "" {
		line("Environment", commandLine([]string{"VIRTUAL_ENV=" + env}))
	}
	b.WriteString(unitTimes(cfg))
	line("LimitNOFILE", "65536")
	line("AmbientCapabilities", capabilities(cfg))
	line("CapabilityBoundingSet", capabilities(cfg))
	line("ProtectHome", homes(in.Dir, self, cfg.Python.Chdir, cfg.Python.Interpreter, os.Getenv("VIRTUAL_ENV")))
	if paths := written(in, cfg); len(paths) > 0 {
		line("ReadWritePaths", commandLine(paths))
	}
	b.WriteString(unitTail)
	for _, addr := range cfg.Server.Listen.Addresses {
		if name, passed := strings.CutPrefix(addr, activation.Prefix); passed {
			fmt.Fprintf(&b, "\n# And a unit with the same name for its socket (.socket):\n# [Socket]\n# ListenStream=80\n# FileDescriptorName=%s\n#\n# [Install]\n# WantedBy=sockets.target\n", name)
		}
	}
	return b.String()
}

// unitTimes are those that the manager has to wait for.
func unitTimes(cfg *config.Config) string {
	const margin = 10 * time.Second
	seconds := func(d time.Duration) string { return strconv.Itoa(int((d + margin).Round(time.Second).Seconds())) }
	return "KillMode=mixed\nWatchdogSec=30\nRestart=on-failure\nRestartPreventExitStatus=2\n" +
		"TimeoutStartSec=" + seconds(cfg.Python.BootTimeout) + "\n" +
		"TimeoutStopSec=" + seconds(cfg.Server.DrainDelay+cfg.Server.Engine.GracefulTimeout) + "\n"
}

// capabilities are those that the ports need.
func capabilities(cfg *config.Config) string {
	for _, addr := range slices.Concat(cfg.Server.Listen.Addresses, cfg.Server.Status.Listen) {
		_, text, err := net.SplitHostPort(addr)
		if port, bad := strconv.Atoi(text); err == nil && bad == nil && port > 0 && port < 1024 {
			return "CAP_NET_BIND_SERVICE"
		}
	}
	return ""
}

// homes says how much of the users' folders is needed.
func homes(paths ...string) string {
	for _, path := range paths {
		for _, home := range []string{"/home/", "/root/", "/run/user/"} {
			if strings.HasPrefix(path+"/", home) {
				return "read-only"
			}
		}
	}
	return "yes"
}

// written are the folders of files and sockets that the server makes by its settings. Paths are relative to
// the folder that it has changed to.
func written(in config.Input, cfg *config.Config) (folders []string) {
	paths := []string{cfg.Server.Control.Socket}
	for _, log := range []string{cfg.ErrorLogfile, cfg.AccessLogfile} {
		if log != "-" && log != "none" && log != "auto" {
			paths = append(paths, log)
		}
	}
	for _, addr := range slices.Concat(cfg.Server.Listen.Addresses, cfg.Server.Status.Listen) {
		if path, is := strings.CutPrefix(addr, "unix:"); is {
			paths = append(paths, path)
		}
	}
	if cfg.Python.TempDir != "" {
		paths = append(paths, filepath.Join(cfg.Python.TempDir, "file"))
	}
	for _, path := range paths {
		if path == "" {
			continue
		}
		if !filepath.IsAbs(path) {
			path = filepath.Join(cmp.Or(cfg.Python.Chdir, in.Dir), path)
		}
		folders = append(folders, filepath.Dir(path))
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// commandLine quotes words as systemd.service(5) reads them.
func commandLine(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		w = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `$$`, "\n", `\n`).Replace(specifiers(w))
		if w == "" || strings.ContainsAny(w, " \t'\";#") {
			w = `"` + w + `"`
		}
		quoted[i] = w
	}
	return strings.Join(quoted, " ")
}

// specifiers has percent signs mean themselves.
func specifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }
