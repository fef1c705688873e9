"""tar, as an engine: each archive is a file in a directory. It is there for the tests, to show that nothing else has to change for one."""
