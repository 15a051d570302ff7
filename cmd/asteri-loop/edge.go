package main

import (
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/static"
)

// edge puts in front of next what the settings ask for: static files.
func edge(next asteri.Handler, cfg *config.Config, l *logs) (asteri.Handler, error) {
	return withStaticFiles(next, cfg, l)
}

func withStaticFiles(next asteri.Handler, cfg *config.Config, l *logs) (asteri.Handler, error) {
	if len(cfg.Static) == 0 {
		return next, nil
	}
	o := static.Options{
		MaxAge:         cfg.StaticMaxAge,
		Fallthrough:    cfg.StaticFallthrough,
		FollowSymlinks: cfg.StaticFollowSymlinks,
		CacheSize:      cfg.StaticCacheSize,
		Logger:         l.Logger,
	}
	for _, spec := range cfg.Static {
		prefix, dir, _ := strings.Cut(spec, "=") // Load has checked it
		o.Mounts = append(o.Mounts, static.Mount{Prefix: prefix, Dir: dir})
	}
	return static.New(next, o)
}
