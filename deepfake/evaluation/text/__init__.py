"""An evaluation in words and short tables, for people who do not know the field."""
