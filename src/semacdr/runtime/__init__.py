"""What every command needs: its command line, the machine, the checkout."""
