"""The loop: which sockets are ready, which deadlines have passed, which signals came."""
