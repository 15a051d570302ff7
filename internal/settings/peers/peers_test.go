package peers

import (
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for _, tc := range []struct{ server, args, want, left string }{
		{"uvicorn", "main:app --host 0.0.0.0 --port 80 --workers 4", "--bind 0.0.0.0:80 --workers 4 main:app", ""},
		{"uvicorn", "--port 80 main:app", "--bind 127.0.0.1:80 main:app", ""},
		{"uvicorn", "--host ::1 main:app", "--bind [::1]:8000 main:app", ""},
		{"uvicorn", "--factory --uds /run/app.sock main:create_app", "--bind unix:/run/app.sock main:create_app()", ""},
		{"uvicorn", "--loop=uvloop --no-access-log --ws websockets --ws-max-queue 5 a:b", "--asgi-loop uvloop --access-logfile none a:b", "--ws --ws-max-queue"},
		{"uvicorn", "--ws-per-message-deflate false --interface asgi3 --log-level trace a:b", "--websocket-compression off --interface asgi --log-level debug a:b", ""},
		{"uvicorn", "--header X:y --reload a:b", "--reload a:b", "--header"},
		{"uvicorn", "--wrkers 4 a:b c:d --reload=1 --port", `! --wrkers: uvicorn has no such option; did you mean "--workers"?`, ""},
		{"granian", "--interface wsgi --blocking-threads 8 mysite.wsgi:application", "--interface wsgi --threads 8 mysite.wsgi:application", ""},
		{"granian", "--interface rsgi main:app", "main:app", "--interface"},
		{"granian", "--http1-header-read-timeout 30000 --http 1 m:a", "--header-timeout 30000ms --http-protocols h1 m:a", ""},
		{"granian", "--static-path-route /s --static-path-mount a --static-path-mount b m:a", "--static /s=a --static /static=b m:a", ""},
		{"granian", "--uds /run/x --uds-permissions 660 --ssl-client-verify m:a", "--bind unix:/run/x --umask 117 --verify-client required m:a", ""},
	} {
		command, left, err := Find(tc.server).Translate(strings.Fields(tc.args))
		said := strings.Join(command, " ")
		if err != nil {
			said = "! " + strings.SplitN(err.Error(), "\n", 2)[0]
		}
		var names []string
		for _, one := range left {
			if one.Why == "" {
				t.Errorf("%s: %s has no reason", tc.args, one.Option)
			}
			names = append(names, one.Option)
		}
		if said != tc.want || strings.Join(names, " ") != tc.left {
			t.Errorf("%s %s:\n got %s, left %s\nwant %s, left %s", tc.server, tc.args, said, names, tc.want, tc.left)
		}
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	_, _, err := Find("uvicorn").Translate(strings.Fields("--wrkers a:b c:d --reload=1 --port"))
	for _, want := range []string{"--wrkers", `"c:d": there can be one application only`, "--reload: takes no value", "--port: needs a value"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %s: %v", want, err)
		}
	}
}

// TestOptions: each is something here, or has a reason.
func TestOptions(t *testing.T) {
	for _, s := range Servers {
		seen := make(map[string]bool)
		for _, o := range s.Options {
			for name := range strings.FieldsSeq(o.Names) {
				if seen[name] {
					t.Errorf("%s --%s is there twice", s.Name, name)
				}
				seen[name] = true
			}
			if o.Here == "" && o.Instead == "" && o.as == nil && !o.joined {
				t.Errorf("%s: %s has no reason", s.Name, o.Names)
			}
		}
	}
}
