"""One request as PEP 3333 sees it: its environ, the call of the application, the response. No socket, no clock."""
