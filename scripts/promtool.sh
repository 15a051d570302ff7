#!/bin/sh
# Checks what deploy/ has for Prometheus with promtool: the alert rules, their tests,
# and the expressions of the dashboard. Without promtool there is nothing to do it
# with; the Go tests check the names of metrics in any case.
set -eu
cd "$(dirname "$0")/.."

promtool=${PROMTOOL:-promtool}
if ! command -v "$promtool" >/dev/null; then
	echo "promtool.sh: no promtool (Debian has it in the package prometheus); not checked" >&2
	exit 0
fi
rules=$(mktemp)
trap 'rm -f "$rules"' EXIT
# Each expression as a rule, with values for Grafana's variables.
"${PYTHON:-python3}" - >"$rules" <<'END'
import json

def expressions(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "expr":
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)

with open("deploy/grafana/asteri-loop.json") as f:
    dashboard = json.load(f)
print("groups:\n- name: dashboard\n  rules:")
for n, expr in enumerate(expressions(dashboard)):
    for variable, stand_in in (("$__rate_interval", "5m"), ("$instance", ".*"), ("$app", ".*")):
        expr = expr.replace(variable, stand_in)
    print(f"  - record: panel:{n}\n    expr: {json.dumps(expr)}")
END
"$promtool" check rules deploy/prometheus/alerts.yml "$rules"
"$promtool" test rules deploy/prometheus/alerts_test.yml
