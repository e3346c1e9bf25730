package api

// Health answers GET /v1/health.
type Health struct {
	// Status is "ok"; a server that is closing answers 503 instead.
	Status  string `json:"status"`
	Version string `json:"version"`
	Engine  string `json:"engine"`
	// Programs is how many run at once; Running and Queued are programs now,
	// of all callers.
	Programs int `json:"programs"`
	Running  int `json:"running"`
	Queued   int `json:"queued"`
}

// Language is a language that POST /v1/run knows.
type Language struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
	// File is the name that the source gets.
	File string `json:"file"`
	// Compiled says that there is a compile step.
	Compiled bool `json:"compiled"`
	// Needs is the program that the image must have, and Install how it comes
	// there; without it a run is refused as unsupported.
	Needs   string `json:"needs"`
	Install string `json:"install"`
}

// LanguageList answers GET /v1/languages.
type LanguageList struct {
	Languages []Language `json:"languages"`
}
