"""The shop's pages by what they are about."""
