"""The parts of the suite: each a module with `run(session)`, whose first line says what it is about."""
