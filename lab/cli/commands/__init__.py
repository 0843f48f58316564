"""The commands, a few lines each: what one does lies in the module that it calls, imported late."""
