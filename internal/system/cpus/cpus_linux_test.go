package cpus

import (
	"runtime"
	"testing"
	"testing/fstest"
)

func TestQuota(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"nothing":             {nil, 0},
		"v2, a container":     {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 1.5},
		"v2, none":            {map[string]string{"proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/b.service/cpu.max": "max 100000\n"}, 0},
		"v2, that above":      {map[string]string{"proc/self/cgroup": "0::/a.slice/b.service\n", "sys/fs/cgroup/a.slice/cpu.max": "50000 100000\n", "sys/fs/cgroup/a.slice/b.service/cpu.max": "400000 100000"}, .5},
		"v1":                  {map[string]string{"proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/1\n", "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "300000\n", "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000\n"}, 3},
		"v1, seen from above": {map[string]string{"proc/self/cgroup": "3:cpu:/docker/1\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 2},
		"v1, none":            {map[string]string{"proc/self/cgroup": "3:cpu:/\n", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0},
		"not a number":        {map[string]string{"proc/self/cgroup": "0::/\nx\n", "sys/fs/cgroup/cpu.max": "soon often\n"}, 0},
	} {
		system := fstest.MapFS{}
		for path, text := range test.files {
			system[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := quotaIn(system); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestCount(t *testing.T) {
	if n := Count(); n < 1 || n > runtime.NumCPU() {
		t.Errorf("%d of %d", n, runtime.NumCPU())
	}
}
