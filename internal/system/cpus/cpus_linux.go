package cpus

import (
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
)

func quota() float64 { return quotaIn(os.DirFS("/")) }

// quotaIn returns the least quota of the control groups in which this process is, in
// processors, or 0 if there is none. Control groups are where all systems mount them,
// below /sys/fs/cgroup. In a container those above its own are not to be seen.
func quotaIn(system fs.FS) (least float64) {
	groups, err := fs.ReadFile(system, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // cgroups(7): number, controllers, path
		if len(parts) < 3 {
			continue
		}
		read := quotaV2
		roots := []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"}
		switch controllers := "," + parts[1] + ","; {
		case strings.Contains(controllers, ",cpu,"):
			read, roots = quotaV1, []string{"sys/fs/cgroup/cpu", "sys/fs/cgroup/" + parts[1]}
		case parts[1] != "":
			continue
		}
		for _, root := range roots {
			for at := path.Clean("/" + parts[2]); ; at = path.Dir(at) {
				if q := read(system, root+strings.TrimSuffix(at, "/")); q > 0 && (least == 0 || q < least) {
					least = q
				}
				if at == "/" {
					break
				}
			}
		}
	}
	return least
}

// quotaV2 reads cpu.max: a quota or max, and the period.
func quotaV2(system fs.FS, folder string) float64 {
	text, _ := fs.ReadFile(system, folder+"/cpu.max") // the topmost group has none
	quota, period, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	return share(quota, period)
}

// quotaV1 reads the quota, which is -1 for none, and the period.
func quotaV1(system fs.FS, folder string) float64 {
	quota, _ := fs.ReadFile(system, folder+"/cpu.cfs_quota_us")
	period, _ := fs.ReadFile(system, folder+"/cpu.cfs_period_us")
	return share(strings.TrimSpace(string(quota)), strings.TrimSpace(string(period)))
}

func share(quota, period string) float64 {
	q, _ := strconv.ParseFloat(quota, 64) // 0 for what is none
	p, _ := strconv.ParseFloat(period, 64)
	if q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}
