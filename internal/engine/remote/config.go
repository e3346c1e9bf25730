package remote

import (
	"log/slog"
	"net/url"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// DefaultImage is the image where neither the Spec nor the Config names one.
const DefaultImage = "python:3.11-slim"

const (
	defaultTimeout     = 60 * time.Second
	defaultConnections = 64
	maxTimeout         = 24 * 60 * 60
)

// Config is the engine's part of a configuration: EvalScope's manager_config.
// Only BaseURL is needed.
type Config struct {
	// BaseURL is the server's address: http://host:1234. A path is kept.
	BaseURL string `json:"base_url"`
	// APIKey goes with every request as X-API-Key.
	APIKey string `json:"api_key,omitempty"`
	// Timeout is how many seconds a request may take beyond the time that
	// its program may run. Default 60.
	Timeout float64 `json:"timeout,omitempty"`
	// Image is what the images "" and "host" mean. Default DefaultImage.
	Image string `json:"image,omitempty"`
	// MaxConnections is how many requests may be under way at once. Default
	// 64.
	MaxConnections int `json:"max_connections,omitempty"`
	// CleanupInterval and PoolSize are the server's to know: they are checked
	// and mean nothing to an engine. Pools are made by package service.
	CleanupInterval int `json:"cleanup_interval,omitempty"`
	PoolSize        int `json:"pool_size,omitempty"`

	// Log receives what an operator wants to know. Default: nothing.
	Log *slog.Logger `json:"-"`
}

// normalize returns the config with its defaults, or kind Invalid.
func (c Config) normalize() (Config, error) {
	base, err := baseURL(c.BaseURL)
	if err != nil {
		return c, err
	}
	c.BaseURL = base
	switch {
	case c.Timeout < 0 || c.Timeout > maxTimeout || c.Timeout != c.Timeout:
		return c, cupel.Invalidf("timeout", "", "give seconds from 0 (the default, 60) to 86400")
	case c.MaxConnections < 0:
		return c, cupel.Invalidf("max_connections", "", "give a number from 1")
	case c.CleanupInterval < 0:
		return c, cupel.Invalidf("cleanup_interval", "", "give seconds from 1, or leave it out")
	case c.PoolSize < 0:
		return c, cupel.Invalidf("pool_size", "", "give a number from 0")
	case strings.ContainsAny(c.APIKey, "\r\n\x00"):
		return c, cupel.Invalidf("api_key", "(not shown)", "a key is one line")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout.Seconds()
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultConnections
	}
	if c.Image == "" {
		c.Image = DefaultImage
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, checkImage(c.Image)
}

// baseURL checks an address and drops the slash at its end.
func baseURL(s string) (string, error) {
	if s == "" {
		return "", cupel.Invalidf("base_url", s, "give the address of an ms-enclave server, such as http://localhost:1234")
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", cupel.Invalidf("base_url", redact(s), "give an http or https address, such as http://localhost:1234")
	case u.User != nil:
		return "", cupel.Invalidf("base_url", redact(s), "leave the user out; a key goes to api_key")
	case u.RawQuery != "" || u.Fragment != "":
		return "", cupel.Invalidf("base_url", redact(s), "leave out what follows the path; a key goes to api_key")
	}
	return strings.TrimRight(s, "/"), nil
}

// redact keeps what may be a secret out of messages.
func redact(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = "…" + s[i:]
	}
	s, _, _ = strings.Cut(s, "?")
	return s
}

// checkImage refuses what is no image's name at all; whether there is such an
// image, the server knows.
func checkImage(image string) error {
	for _, r := range image {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-/:@", r):
		default:
			return cupel.Invalidf("image", image, "give an image's name as docker run takes it, such as "+DefaultImage)
		}
	}
	return nil
}
