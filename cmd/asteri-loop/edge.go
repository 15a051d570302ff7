package main

import (
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/edge/compress"
	"github.com/asteri/asteri-loop/internal/edge/static"
	"github.com/asteri/asteri-loop/internal/edge/timing"
)

// edge puts in front of next what the settings ask for: compression, behind it static
// files, and behind those what measures the application.
func edge(next asteri.Handler, cfg *config.Config, l *logs) (asteri.Handler, error) {
	if cfg.ServerTiming {
		next = timing.Handler(next)
	}
	h, err := withStaticFiles(next, cfg, l)
	if err == nil {
		h, err = withCompression(h, cfg)
	}
	return h, blameSettings(err)
}

func withCompression(next asteri.Handler, cfg *config.Config) (asteri.Handler, error) {
	if len(cfg.Compress) == 0 {
		return next, nil
	}
	o := compress.Options{MinLength: cfg.CompressMinLength, Types: cfg.CompressTypes}
	for _, name := range cfg.Compress {
		c, err := compress.ParseCoding(name)
		if err != nil {
			return nil, err
		}
		o.Codings = append(o.Codings, c)
	}
	return compress.New(next, o)
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
