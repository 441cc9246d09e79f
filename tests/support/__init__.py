"""What the tests share: real processes, bundles and a look at what was left behind."""
