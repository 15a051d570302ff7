package main

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// What has expired, or soon will, is said at the start, by --check-config, on the status
// page and in the metrics.
func TestCertificatesThatEnd(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		age            time.Duration
		log, problem   string
		ends, complain bool
	}{
		"good":    {0, "", "", false, false},
		"ending":  {390 * day, "[WARNING] A certificate expires soon certificate=localhost", "The certificate of localhost expires in 6 d", true, true},
		"expired": {400 * day, "[ERROR] A certificate has expired", "The certificate of localhost has expired", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			from := time.Now().Add(-test.age)
			file := writeCertificateOf(t, dir, "a.pem", "a.example", from)
			checked := launch(t, dir, nil, "--certfile", file, "--check-config")
			checked.exit()
			p := start(t, dir, "--certfile", file, "--protocols", "http", "--protocols", "https")
			for _, log := range []string{checked.log.String(), p.log.String()} {
				if strings.Contains(log, test.log) != (test.log != "") && test.log != "" || strings.Contains(log, "A certificate") != test.complain {
					t.Errorf("the log:\n%s", log)
				}
			}
			doc := report(t, p)
			if len(doc.Certificates) != 1 || doc.Certificates[0].Name != "localhost" || doc.Certificates[0].Ends != test.ends {
				t.Errorf("%+v", doc.Certificates)
			}
			page := get(t, client(), p.url("http")+"/asteri-status").text
			if !strings.Contains(page, test.problem) || strings.Contains(page, "The certificate of") != test.complain {
				t.Errorf("the page does not say %q", test.problem)
			}
			metrics := get(t, client(), p.url("http")+"/metrics").text
			_, value, _ := strings.Cut(metrics, `asteri_certificate_expiry_time_seconds{certificate="localhost"} `)
			value, _, _ = strings.Cut(value, "\n")
			until, err := strconv.ParseFloat(value, 64)
			if want := float64(from.Add(397 * day).Unix()); err != nil || until < want-2 || until > want+2 {
				t.Errorf("%v, %v, want %v", until, err, want)
			}
		})
	}
}
