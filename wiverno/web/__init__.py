"""The micro framework: environ in, start_response out. It knows no server, no socket and no setting."""
