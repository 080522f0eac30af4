"""Other projects' libraries, each in a module of its own and imported only when it is asked for."""
