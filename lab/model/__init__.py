"""The nouns of the lab as plain data and protocols. Imports nothing that acts."""
