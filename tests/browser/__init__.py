"""What people do in the console, done by a real browser on the real site."""
