package walker

// helpers are what a copy of the test binary can be started for.
func helpers() map[string]func() error {
	return map[string]func() error{
		"no-proc": noProcHelper,
	}
}
