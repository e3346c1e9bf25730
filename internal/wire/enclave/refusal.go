package enclave

// Refusal is the body of a response that refuses with a text.
type Refusal struct {
	Detail string `json:"detail"`
}

// Invalid is the body of a 422.
type Invalid struct {
	Detail []ValidationError `json:"detail"`
}

// ValidationError says what is wrong with one value of a request, as Pydantic
// does. Loc is where: "query" or "body" first, then names and indexes.
type ValidationError struct {
	Type  string         `json:"type"`
	Loc   []any          `json:"loc"`
	Msg   string         `json:"msg"`
	Input any            `json:"input"`
	Ctx   map[string]any `json:"ctx,omitempty"`

	// value is Input as it came, for texts that show it.
	value Value
}
