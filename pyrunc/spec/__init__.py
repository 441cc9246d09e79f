"""config.json and its relatives: loading, checking, types, and the default of `pyrunc spec`."""
