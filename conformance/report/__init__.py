"""Outcomes, and the ways to show them: text, TAP, JSON and one HTML page."""
