"""The command line, the only place where the language, the emitters and the runtime meet."""
