package config

// statusSettings are those of what the server tells about itself.
var statusSettings = []*setting{
	{
		Name: "status", Flags: []string{"status"}, Group: groupStatus, Meta: "on|off", Default: "on",
		Help: "Whether the server answers the paths below itself. They tell clients on this machine how the server is, and who has the token everything. A client that may not look gets its health from the application.",
		at:   func(c *Config) value { return opposite{&c.Server.Status.Off} },
	}, {
		Name: "disable_dashboard", Flags: []string{"disable-dashboard"}, Group: groupStatus,
		Help: "Leave the status page, and all that is below its path, to the application. The admin listener has it still.",
		at:   func(c *Config) value { return boolean(&c.Server.Status.NoDashboard) },
	}, {
		Name: "status_path", Flags: []string{"status-path"}, Group: groupStatus, Meta: "PATH", Default: "/asteri-status",
		Help: "Where the status page is. PATH.json is its document, and what is below PATH/ is its own.",
		at:   func(c *Config) value { return text(&c.Server.Status.Path, ownPath) },
	}, {
		Name: "live_path", Flags: []string{"live-path"}, Group: groupStatus, Meta: "PATH", Default: "/livez",
		Help: "Where a probe asks whether the server lives.",
		at:   func(c *Config) value { return text(&c.Server.Status.LivePath, ownPath) },
	}, {
		Name: "ready_path", Flags: []string{"ready-path"}, Group: groupStatus, Meta: "PATH", Default: "/readyz",
		Help: "Where a probe asks whether the server is to get traffic.",
		at:   func(c *Config) value { return text(&c.Server.Status.ReadyPath, ownPath) },
	}, {
		Name: "status_allow", Flags: []string{"status-allow"}, Group: groupStatus, Meta: "NETWORK", Many: true,
		Help: "Show health, counters and workers to clients at this address or in this network (10.0.0.0/8) too. May be repeated.",
		at:   func(c *Config) value { return list(&c.Server.Status.Allow, network) },
	}, {
		Name: "status_host", Flags: []string{"status-host"}, Group: groupStatus, Meta: "NAME", Many: true,
		Help: "A name by which such clients may ask for the server. Without it only addresses and localhost will do, since a name may be another's that points here. May be repeated.",
		at:   func(c *Config) value { return list(&c.Server.Status.Hosts, hostName) },
	}, {
		Name: "status_token", Flags: []string{"status-token"}, Group: groupStatus, Meta: "TOKEN", Secret: true,
		Help: "Who has this token sees requests, logs, stacks and settings, and may reload, scale and restart workers. At least 16 characters. Without it one is made at every start and put into a file that only the server's user can read. An environment variable hides it from lists of processes.",
		at:   func(c *Config) value { return text(&c.Server.Status.Token, token) },
	}, {
		Name: "admin_listen", Flags: []string{"admin-listen"}, Group: groupStatus, Meta: "ADDRESS", Many: true,
		Help: "Serve the status page here too, and show and allow everything to whoever comes: HOST:PORT or unix:PATH (which gets the permissions 0600). May be repeated.",
		at:   func(c *Config) value { return list(&c.Server.Status.Listen, address) },
	}, {
		Name: "control_socket", Flags: []string{"control-socket"}, Group: groupStatus, Meta: "PATH",
		Help: "Take orders at a Unix socket with this path: reload, scale, drain and others, from asteri-loop ctl and other programs of the server's own user and root. A relative path is relative to the directory in which the server was started. Without it there is none.",
		at:   func(c *Config) value { return text(&c.Server.Control.Socket, c.directory) },
	},

	{
		Name: "server_timing", Flags: []string{"server-timing"}, Group: groupDebugging, Meta: "on|off", Default: "off",
		Help: "Whether responses say how long the application took, in the field Server-Timing. For development: every client can see it.",
		at:   func(c *Config) value { return boolean(&c.Server.ServerTiming) },
	}, {
		Name: "check_config", Flags: []string{"check-config"}, Group: groupDebugging, Command: true,
		Help: "Check the settings and import the application, then exit: 0 if all is well.",
		at:   func(c *Config) value { return boolean(&c.CheckConfig) },
	}, {
		Name: "print_config", Flags: []string{"print-config"}, Group: groupDebugging, Command: true,
		Help: "Print the settings, and where each comes from, as a configuration file. The status token is masked, variables of --env are not.",
		at:   func(c *Config) value { return boolean(&c.PrintConfig) },
	},
}
