"""Nesting: flat parts on sheets, so that little of a sheet is lost."""
