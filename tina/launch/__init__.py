"""Launchers: how the arms of a grid are started."""
