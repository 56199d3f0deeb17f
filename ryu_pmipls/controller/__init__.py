"""What the RMS does about what it hears: each part reacts to one kind of news, over the pure decisions below it."""
