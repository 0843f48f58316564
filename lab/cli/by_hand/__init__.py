"""A stack that stays up, for poking at by hand."""
