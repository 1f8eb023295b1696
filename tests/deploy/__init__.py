"""Behind real balancers, with the files of deploy/."""
