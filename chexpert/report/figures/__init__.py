"""Plots of reports, by matplotlib."""
