"""What several tests share: waiting for a condition, child processes with a certain end, raw sockets."""
