"""What RFC 9111 decides, a module for each of its chapters: pure functions, with the time passed in."""
