package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Mount is an application or a server at a path, beside the one that the command
// line names.
type Mount struct {
	// Host is a name, "*." and a name, or empty for every host.
	Host string
	// Prefix is a path without a slash at its end, empty for every path.
	Prefix string
	// Target is an application, or the URL of a server.
	Target string

	settings []replacement
}

// At returns host and path as the user knows them.
func (m *Mount) At() string {
	if m.Prefix == "" {
		return m.Host + "/"
	}
	return m.Host + m.Prefix
}

// IsURL tells whether requests go to another server.
func (m *Mount) IsURL() bool { return isURL(m.Target) }

func isURL(target string) bool {
	scheme, rest, ok := strings.Cut(target, ":")
	return ok && (scheme == "unix" || (scheme == "http" || scheme == "https") && strings.HasPrefix(rest, "//"))
}

// ParseMount parses [HOST]/PREFIX=TARGET[,SETTING=VALUE...].
func ParseMount(s string) (Mount, error) {
	at, rest, ok := strings.Cut(s, "=")
	target, rest, more := strings.Cut(rest, ",")
	if !ok || at == "" || target == "" {
		return Mount{}, errors.New("must be a path and an application or a URL: /api=shop.asgi:app")
	}
	host, prefix, slash := strings.Cut(at, "/")
	if !slash {
		return Mount{}, fmt.Errorf("has no slash: give /%s=... for a path, %s/=... for a host", at, at)
	}
	m := Mount{Host: strings.ToLower(host), Prefix: strings.TrimRight("/"+prefix, "/"), Target: target}
	if err := errors.Join(checkHost(m.Host), checkPrefix(m.Prefix), checkTarget(target)); err != nil {
		return Mount{}, err
	}
	for more {
		var one string
		one, rest, more = strings.Cut(rest, ",")
		r, err := m.setting(one)
		if err != nil {
			return Mount{}, err
		}
		m.settings = append(m.settings, r)
	}
	return m, nil
}

// setting parses NAME=VALUE and checks the value.
func (m *Mount) setting(s string) (replacement, error) {
	name, v, ok := strings.Cut(s, "=")
	if !ok {
		// Not quoted: it may be the rest of a secret that has a comma.
		return replacement{}, errors.New("after a comma there must be a setting and its value: workers=2")
	}
	kind := ofApps
	if m.IsURL() {
		kind = ofServers
	}
	name = strings.ReplaceAll(name, "-", "_")
	row := find(name)
	if row == nil || row.Mounts&kind == 0 {
		return replacement{}, fmt.Errorf("%s: no setting of a mount%s", name, didYouMean(name, forMounts(kind), ""))
	}
	r := replacement{row.Name, v}
	if err := new(Config).set(r); err != nil {
		return r, fmt.Errorf("%s: %q: %w", name, row.hide(v), err)
	}
	return r, nil
}

// hideMount masks the secrets among the settings of a mount, which may be malformed.
func hideMount(spec string) string {
	parts := strings.Split(spec, ",")
	within := false // a secret, of which a comma is no end
	for i, part := range parts {
		name, v, _ := strings.Cut(part, "=")
		row := find(strings.ReplaceAll(name, "-", "_"))
		switch {
		case row != nil:
			if within = row.Secret; within {
				parts[i] = name + "=" + row.hide(v)
			}
		case within:
			parts[i] = mask
		}
	}
	return strings.Join(parts, ",")
}

func checkHost(host string) error {
	name := strings.TrimPrefix(host, "*.")
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("-._[]:", c) {
			return fmt.Errorf("%q: not a host: give a name, *. and a name, or nothing", host)
		}
	}
	if _, _, port := strings.Cut(host, ":"); port && !strings.HasSuffix(host, "]") {
		return fmt.Errorf("%q: a host without its port is enough: the name decides", host)
	}
	return nil
}

func checkTarget(target string) error {
	if scheme, _, found := strings.Cut(target, "://"); found && !isURL(target) {
		return fmt.Errorf("%s://: requests can be passed on to http://, https:// and unix: only", scheme)
	} else if !isURL(target) {
		return nil
	}
	u, err := url.Parse(target)
	switch {
	case err != nil:
		return err
	case u.Scheme == "unix" && u.Path == "":
		return errors.New("must name a socket: unix:/run/app.sock")
	case u.Scheme != "unix" && u.Host == "":
		return errors.New("must name a server: http://127.0.0.1:9000")
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("the URL must be that of a server, perhaps with a path")
	}
	return nil
}

// checkPrefix checks a path that requests are to begin with. What would match none
// by the rules of paths is a mistake.
func checkPrefix(prefix string) error {
	if strings.ContainsAny(prefix, "%?#\\") || strings.Contains(prefix+"/", "/./") ||
		strings.Contains(prefix+"/", "/../") || strings.Contains(prefix, "//") {
		return errors.New("the path must be plain: no escapes, no query, no empty or dot segments")
	}
	return nil
}

// set gives one setting a value.
func (c *Config) set(r replacement) error {
	row := find(r.name)
	if row.expand != nil {
		others, err := row.expand(r.value)
		if err != nil {
			return err
		}
		for _, o := range others {
			if err := c.set(o); err != nil {
				return err
			}
		}
		if others != nil {
			return nil
		}
	}
	return row.at(c).Set(r.value)
}

// Mounted returns the settings for the application of m: those of the server, but
// for the model, and then its own.
func (c *Config) Mounted(m Mount) (*Config, error) {
	own := *c
	own.App, own.Python.Model, own.Python.RootPath, own.Mounts = m.Target, "", m.Prefix, nil
	own.Python.Env, own.Python.PythonPath = slices.Clip(own.Python.Env), slices.Clip(own.Python.PythonPath)
	own.Python.Rlimits = slices.Clip(own.Python.Rlimits)
	own.EnvFiles, own.origins = slices.Clip(own.EnvFiles), nil
	for _, r := range m.settings {
		if err := own.set(r); err != nil {
			return nil, err
		}
	}
	if own.Python.Model == "sync" && own.Python.Threads > 1 {
		own.Python.Model = "gthread"
	}
	return &own, nil
}

// takeMounts parses the mounts, of which no two may be for the same requests.
func (c *Config) takeMounts() error {
	seen := make(map[string]bool)
	origin := c.origins["mount"]
	for _, spec := range c.mountSpecs {
		m, err := ParseMount(spec)
		if err != nil {
			return invalid(origin, hideMount(spec), err)
		}
		if seen[m.At()] {
			return fmt.Errorf("%s: two mounts at %s", origin.Name, m.At())
		}
		seen[m.At()] = true
		c.Mounts = append(c.Mounts, m)
	}
	if c.App != "" && seen["/"] {
		return fmt.Errorf("%s: the application %q is at / already", origin.Name, c.App)
	}
	return nil
}

// expandDirtyApps takes Asteri's routes: HOST=APP, /PATH=APP and default=APP. There
// an application sees the path as it came.
func expandDirtyApps(s string) ([]replacement, error) {
	at, app, ok := strings.Cut(s, "=")
	switch {
	case !ok || app == "":
		return nil, errors.New("must be HOST=APP, /PATH=APP or default=APP; gunicorn's pool for heavy tasks is another thing")
	case at == "default":
		return []replacement{{"mount", "/=" + app}}, nil
	case strings.HasPrefix(at, "/"):
		return []replacement{{"mount", at + "=" + app + ",root_path="}}, nil
	}
	return []replacement{{"mount", at + "/=" + app}}, nil
}

// mountTables spells the tables of a configuration file ([[mount]]) as the command
// line would.
func mountTables(tables []map[string]any) ([]string, error) {
	specs := make([]string, 0, len(tables))
	for _, table := range tables {
		spec, err := mountTable(table)
		if err != nil {
			return nil, err
		}
		specs = append(specs, spec)
	}
	return specs, nil
}

// isMount tells whether a table is one mount, and not several by their paths.
func isMount(table map[string]any) bool {
	for name := range table {
		if strings.Contains(name, "/") {
			return false
		}
	}
	return true
}

func mountTable(table map[string]any) (string, error) {
	var host, path, app, rest string
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values, err := scalars(table[name])
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		for _, v := range values {
			if strings.Contains(v, ",") {
				return "", fmt.Errorf("%s: the settings of a mount hold no commas", name)
			}
			switch name {
			case "host":
				host = v
			case "path":
				if path = v; !strings.HasPrefix(v, "/") {
					return "", fmt.Errorf("path: %q: begins with a slash: \"/%s\"", v, v)
				}
			case "app", "url":
				app = v
			default:
				rest += "," + name + "=" + v
			}
		}
	}
	if path == "" {
		path = "/"
	}
	if app == "" {
		return "", errors.New("needs app, or url for another server")
	}
	return host + path + "=" + app + rest, nil
}
