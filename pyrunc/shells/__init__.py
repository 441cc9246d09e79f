"""Completion of the command line in bash, zsh and fish: scripts made from the table of commands and options."""
