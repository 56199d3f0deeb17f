"""The RMS's reactions: each part reacts to one kind of news, on top of the pure decisions below it."""
