"""Runtime support for all commands: the command line, settings, the machine, the checkout, progress."""
