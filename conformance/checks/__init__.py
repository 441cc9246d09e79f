"""The checks, one module a chapter of the specification.

Numbers: runtime.md from 100, config.md from 200, config-linux.md from 400, runtime-linux.md from 700, features.md from
800.  A number is never given again.
"""
