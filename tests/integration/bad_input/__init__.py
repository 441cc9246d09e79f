"""The table of wrong configurations, ids, options and environments: what is done, and the exact message."""
