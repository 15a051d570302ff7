package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/server"
)

// modelNames are other names, in lower case, by which gunicorn's users know a
// model.
var modelNames = map[string]string{
	"gevent_wsgi":                           "gevent",
	"gevent_pywsgi":                         "gevent",
	"uvicorn.workers.uvicornworker":         "asgi",
	"uvicorn.workers.uvicornh11worker":      "asgi",
	"uvicorn_worker.uvicornworker":          "asgi",
	"uvicorn_worker.uvicornh11worker":       "asgi",
	"gunicorn.workers.ggevent.geventworker": "gevent",

	"geventwebsocket.gunicorn.workers.geventwebsocketworker": "gevent",
}

// auto is how users spell that WorkerClass is chosen by application.
const auto = "auto"

type modelValue struct{ at *string }

func (v modelValue) Set(s string) error {
	name := ""
	if err := choice(&name, modelNames, append([]string{auto}, Models...)...).Set(s); err != nil {
		return err
	}
	if name == auto {
		name = ""
	}
	*v.at = name
	return nil
}

func (v modelValue) TOML() string {
	if *v.at == "" {
		return strconv.Quote(auto)
	}
	return strconv.Quote(*v.at)
}

// maskValue is what is taken from the permissions 0777. In the configuration file it is a
// text or an octal number ("007", 0o007).
type maskValue struct{ at *fs.FileMode }

func (v maskValue) Set(s string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(s, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("must be an octal number from 0 to 777")
	}
	*v.at = fs.ModePerm &^ fs.FileMode(n)
	return nil
}

func (v maskValue) TOML() string { return fmt.Sprintf("%q", fmt.Sprintf("%03o", fs.ModePerm&^*v.at)) }

// expandWorkers takes the model out of "gtornado" and "gtornado:4".
func expandWorkers(s string) ([]replacement, error) {
	if isCount(s) {
		return nil, nil
	}
	model, count, counted := strings.Cut(s, ":")
	var name string
	if (modelValue{&name}).Set(model) != nil {
		return nil, fmt.Errorf("must be a number of workers, auto, two as in 2..8, a model (%s) or model:number%s",
			strings.Join(Models, ", "), didYouMean(model, Models, ""))
	}
	to := []replacement{{"worker_class", model}}
	if counted {
		to = append(to, replacement{"workers", count})
	}
	return to, nil
}

func expandCertReqs(s string) ([]replacement, error) {
	modes := []string{"none", "optional", "required"}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n >= len(modes) {
		return nil, fmt.Errorf("must be 0 (none), 1 (optional) or 2 (required)")
	}
	return []replacement{{"verify_client", modes[n]}}, nil
}

// tlsVersions are spellings of Python's ssl module and of other servers.
var tlsVersions = map[string]string{
	"tlsv1.2": "TLSv1_2", "tlsv1.3": "TLSv1_3", "1.2": "TLSv1_2", "1.3": "TLSv1_3",
}

func scheme(s string) (string, error) {
	var v string
	err := choice(&v, nil, "http", "https").Set(s)
	return v, err
}

func httpVersion(s string) (string, error) {
	var v string
	err := choice(&v, map[string]string{"http/1.1": "h1", "http/2": "h2", "http/3": "h3"}, "h1", "h2", "h3").Set(s)
	return v, err
}

func mountPath(s string) (string, error) {
	s = strings.TrimRight(s, "/")
	if s != "" && !strings.HasPrefix(s, "/") {
		return "", fmt.Errorf("must begin with /")
	}
	return s, nil
}

// complete checks what depends on several settings, and fills in those whose
// default does.
func (c *Config) complete() error {
	if c.Python.Model == "sync" && c.Python.Threads > 1 {
		c.Python.Model = "gthread"
		c.origins["worker_class"] = Origin{Name: "because threads is more than 1"}
	}
	if len(c.Server.Listen.Schemes) == 0 {
		c.Server.Listen.Schemes = []string{"https"}
		if len(c.Server.TLS.CertFiles) == 0 {
			c.Server.Listen.Schemes = []string{"http", "https"}
		}
	}
	c.checkProxies()
	for _, list := range []*[]string{&c.Server.Proxies.Trusted, &c.Server.Proxies.Forwarders, &c.Server.Proxies.ProxyProtocolFrom, &c.Server.Proxies.UwsgiFrom} {
		*list = append([]string{}, *list...) // an empty one is none, and not the default
	}
	c.Server.Proxies.SecureSchemes = append([]server.SecureScheme{}, c.Server.Proxies.SecureSchemes...)
	if len(c.Server.HTTP.Versions) == 0 {
		c.Server.HTTP.Versions = []string{"h1", "h2"}
		// Clients do not take HTTP/3 from a server whose certificate they do
		// not know, and it does not come through a proxy.
		if len(c.Server.TLS.CertFiles) > 0 && c.Server.Proxies.ProxyProtocol == "off" {
			c.Server.HTTP.Versions = append(c.Server.HTTP.Versions, "h3")
		}
	}
	slices.Sort(c.Server.Listen.Schemes)
	c.Server.Listen.Schemes = slices.Compact(c.Server.Listen.Schemes)
	if err := c.checkHTTP(); err != nil {
		return err
	}
	if c.gunicorn && c.App == "" {
		return errors.New("which application? name it behind the options, or as wsgi_app in gunicorn.conf.py")
	}
	if err := c.checkPaths(); err != nil {
		return err
	}
	if err := c.takeMounts(); err != nil {
		return err
	}
	return c.checkTLS()
}

// hasPort tells whether a listen address is one of TCP, or may be.
func hasPort(addr string) bool {
	return !strings.HasPrefix(addr, "unix:") && !strings.HasPrefix(addr, "fd:")
}

// checkHTTP refuses ports on which nothing could be asked.
func (c *Config) checkHTTP() error {
	name := c.origins["http_protocols"].Name
	switch {
	case !c.Speaks("h1") && !c.Speaks("h2"):
		return fmt.Errorf("%s: clients find HTTP/3 by HTTP/1.1 or HTTP/2: add h1 or h2", name)
	case !c.Speaks("h1") && c.Server.HTTP.H2.NoCleartext && c.Serves("http"):
		return fmt.Errorf("%s: h2 alone without TLS needs --http2-cleartext prior-knowledge, or --protocols https", name)
	case !c.Speaks("h3") || name == "": // not asked for
	case !c.Serves("https"):
		return fmt.Errorf("%s: h3 is spoken over TLS only: add https to --protocols, or leave out h3", name)
	case !slices.ContainsFunc(c.Server.Listen.Addresses, hasPort):
		return fmt.Errorf("%s: h3 needs a port: add --bind HOST:PORT, or leave out h3", name)
	}
	return nil
}

func (c *Config) checkTLS() error {
	certs, keys := len(c.Server.TLS.CertFiles), len(c.Server.TLS.KeyFiles)
	switch {
	case certs == 0 && keys > 0:
		return fmt.Errorf("%s: a key needs its certificate: add --certfile", c.origins["keyfile"].Name)
	case keys > 0 && keys != certs:
		return fmt.Errorf("%s: %d keys for %d certificates: give one --keyfile for each --certfile, in the same order",
			c.origins["keyfile"].Name, keys, certs)
	case certs > 0 && !c.Serves("https"):
		return fmt.Errorf("%s: http alone has no use for --certfile: add https", c.origins["protocols"].Name)
	case c.Server.TLS.VerifyClient != "none" && c.Server.TLS.CAFile == "":
		return fmt.Errorf("%s: %q: needs --ca-certs to verify clients against", c.origins["verify_client"].Name, c.Server.TLS.VerifyClient)
	case c.Server.TLS.VerifyClient != "none" && c.Serves("http"):
		return fmt.Errorf("%s: %q: plain http on the same port would let clients in without: use --protocols https",
			c.origins["verify_client"].Name, c.Server.TLS.VerifyClient)
	}
	return nil
}
