"""The exit codes of every command."""

# 1 the user's spec, data or machine is at fault; 2 usage; 70 a bug of ours; 130 interrupted.
FAULT, USAGE, BUG, INTERRUPTED = 1, 2, 70, 130
